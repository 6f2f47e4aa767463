import { checkOutput, entryOf, nodeName, type InstanceState } from './agent-entries.js'

/** What happens to the instances of a service. */
export type Change =
  /** So many get another weight. */
  | { readonly kind: 'weights'; readonly count: number }
  /** One gets another weight, each time the next one. */
  | { readonly kind: 'next' }
  /** So many are gone, and as many new ones are there in their place. */
  | { readonly kind: 'replaced'; readonly count: number }
  /** All checks have run once more, and print something else: no change to a client. */
  | { readonly kind: 'outputs' }

/** Where instances listen. */
export interface Upstream {
  readonly host: string | undefined
  readonly port: number
}

/** One service as the agent knows it. */
export class AgentService {
  readonly #name: string
  /** In Consul's order, that of the names of nodes. */
  readonly #states: InstanceState[]
  /** JSON of each, made anew only for what changes. */
  readonly #entries: string[]
  #version = 1
  #body: Buffer | undefined

  constructor(name: string, instances: number, upstream: Upstream) {
    this.#name = name
    this.#states = Array.from({ length: instances }, (_, index) => ({
      index,
      node: nodeName(index),
      ...upstream,
      weight: 1,
      output: checkOutput(index, 1),
      version: 1,
    })).sort((a, b) => (a.node < b.node ? -1 : 1))
    this.#entries = this.#states.map((state) => JSON.stringify(entryOf(name, state)))
  }

  /** Grows by one with each change; it is also the service's index. */
  get version(): number {
    return this.#version
  }

  /** What `/v1/health/service/<name>` answers. */
  get body(): Buffer {
    return (this.#body ??= Buffer.from(`[${this.#entries.join(',')}]`))
  }

  apply(change: Change): void {
    const version = ++this.#version
    const [first, end] = this.#range(change)
    for (let place = first; place < end; place++) {
      const state = this.#states[place]
      if (state === undefined) break
      const next = changed({ ...state, version }, change.kind)
      this.#states[place] = next
      this.#entries[place] = JSON.stringify(entryOf(this.#name, next))
    }
    this.#body = undefined
  }

  #range(change: Change): readonly [number, number] {
    const { length } = this.#states
    if (change.kind === 'next') return [this.#version % length, (this.#version % length) + 1]
    return [0, change.kind === 'outputs' ? length : change.count]
  }
}

function changed(state: InstanceState, kind: Change['kind']): InstanceState {
  const { index, version, port } = state
  // The weight of the first one is the version, by which an answer is known again.
  const weight = index === 0 ? version : state.weight
  switch (kind) {
    case 'weights':
    case 'next':
      return { ...state, weight: index === 0 ? version : 1 + (version % 2) }
    case 'replaced':
      // To and fro between two ports: what is removed for good would pile up retained.
      return { ...state, weight, port: port % 2 === 0 ? port + 1 : port - 1 }
    case 'outputs':
      return { ...state, output: checkOutput(index, version) }
  }
}
