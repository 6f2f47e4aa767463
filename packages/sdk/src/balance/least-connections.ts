import type { Random } from '../random.js'
import { eligible, type Candidate, type LoadObserver, type PickContext, type Picker } from './picker.js'

/**
 * Least connections, exact: the endpoint with the fewest requests in flight for its weight. Ties, such as all
 * idle, go round in proportion to weight.
 * When: long or uneven requests and a set small enough that one client sees most of the load.
 * When not: many clients of one service (all of them run to the same idle endpoint); use `least_request`.
 * O(1) a pick, O(log n) for each request that starts or ends.
 * Source: nginx `least_conn` (connections / weight, then weighted round robin).
 */
export function leastConnections<E extends Candidate>(endpoints: readonly E[], random: Random): Picker<E> {
  return new LeastConnectionsPicker(endpoints, random)
}

class LeastConnectionsPicker<E extends Candidate> implements Picker<E> {
  readonly #heap: Heap<E>

  constructor(endpoints: readonly E[], random: Random) {
    this.#heap = new Heap(endpoints, random)
  }

  pick(context: PickContext<E>): E | undefined {
    const node = this.#heap.least(context)
    if (node === undefined) return undefined
    this.#heap.takeTurn(node)
    return node.endpoint
  }
}

/** A binary heap of nodes by load, then by turn; each node knows its place, so a change costs O(log n). */
class Heap<E extends Candidate> {
  readonly #nodes: HeapNode<E>[]
  /** The turn that was taken last: where virtual time stands. */
  #now = 0

  constructor(endpoints: readonly E[], random: Random) {
    this.#nodes = endpoints.map((endpoint) => new HeapNode(this, endpoint, random))
    for (let place = (this.#nodes.length >> 1) - 1; place >= 0; place--) this.#sink(place)
    this.#nodes.forEach((node, place) => {
      node.place = place
      node.endpoint.observer = node
    })
  }

  /** The first eligible node at or below `place`; descends only past nodes that are not eligible. */
  least(context: PickContext<E>, place = 0, best?: HeapNode<E>): HeapNode<E> | undefined {
    const node = this.#nodes[place]
    if (node === undefined || (best !== undefined && !node.before(best))) return best
    if (eligible(node.endpoint, context)) return node
    return this.least(context, 2 * place + 2, this.least(context, 2 * place + 1, best))
  }

  takeTurn(node: HeapNode<E>): void {
    // From now on, not from its last turn: what was busy for long has no claim to a burst of turns.
    this.#now = Math.max(this.#now, node.turn)
    node.turn = this.#now + 1 / node.weight
    this.moved(node)
  }

  moved(node: HeapNode<E>): void {
    this.#sink(this.#rise(node.place))
  }

  #rise(from: number): number {
    const nodes = this.#nodes
    const node = nodes[from]
    if (node === undefined) return from
    let place = from
    while (place > 0) {
      const parent = nodes[(place - 1) >> 1]
      if (parent === undefined || !node.before(parent)) break
      nodes[place] = parent
      parent.place = place
      place = (place - 1) >> 1
    }
    nodes[place] = node
    node.place = place
    return place
  }

  #sink(from: number): void {
    const nodes = this.#nodes
    const node = nodes[from]
    if (node === undefined) return
    let place = from
    for (;;) {
      const left = nodes[2 * place + 1]
      if (left === undefined) break
      const right = nodes[2 * place + 2]
      const child = right?.before(left) === true ? right : left
      if (!child.before(node)) break
      const childPlace = child === left ? 2 * place + 1 : 2 * place + 2
      nodes[place] = child
      child.place = place
      place = childPlace
    }
    nodes[place] = node
    node.place = place
  }
}

class HeapNode<E extends Candidate> implements LoadObserver {
  readonly endpoint: E
  readonly weight: number
  place = 0
  /** When its next turn among equally loaded endpoints comes: 1 / weight of virtual time after the last. */
  turn = 0
  readonly #heap: Heap<E>
  // Initialised with numbers, here and in `turn`: V8 boxes every new value of a field that was once undefined.
  #load = 0

  constructor(heap: Heap<E>, endpoint: E, random: Random) {
    this.endpoint = endpoint
    this.weight = endpoint.instance.weight
    this.turn = random.next() / this.weight
    this.#heap = heap
    this.#load = endpoint.inflight / this.weight
  }

  before(other: HeapNode<E>): boolean {
    return this.#load < other.#load || (this.#load === other.#load && this.turn < other.turn)
  }

  loadChanged(): void {
    this.#load = this.endpoint.inflight / this.weight
    this.#heap.moved(this)
  }
}
