import { Xxh64 } from '../../hashing/xxh64.js'
import { addressIn } from '../../discovery/place.js'
import type { Candidate } from '../picker.js'

/** An endpoint, and where its address falls on the circle. */
interface Placed<E> {
  readonly endpoint: E
  readonly key: string
  readonly high: number
  readonly low: number
}

/**
 * The endpoints of the client at `place` (0 to 1), and all others: a window of the endpoints in the order of their
 * hashes. That is the same for every client, so that windows which begin at even distances cover all alike.
 *
 * The window of a place u of the first half begins at `2u x (endpoints of the lower half of hashes)`, that of one of the
 * second half as far from the end as `2 (1 - u) x (endpoints of the upper half)`, and goes on at the beginning. So it
 * moves by one place at most when an endpoint comes. Before its beginning that makes up for the endpoint, which moves
 * all after it on by one, or leaves the window one behind; within the window, one end or the other gives way. Two
 * changes at once would take a window that goes on at the beginning, an endpoint that comes there, and a beginning that
 * moves on account of it; but where it begins depends on the other half alone then. With one half instead of two it
 * could. All that needs halves of at least `size` endpoints; else two changes are the most.
 * How much the halves differ, 1 / sqrt(n) in the mean, is how much the load does.
 */
export function subsetOf<E extends Candidate>(
  endpoints: readonly E[],
  size: number,
  place: number,
): { readonly members: readonly E[]; readonly others: readonly E[] } {
  const ordered = inOrderOfHash(endpoints)
  const count = ordered.length
  const lower = ordered.filter(({ high }) => high >= 0).length
  const upper = count - lower
  const first = place < 0.5 ? Math.floor(2 * place * lower) : count - Math.ceil(2 * (1 - place) * upper)
  const members: E[] = []
  const others: E[] = []
  ordered.forEach(({ endpoint }, rank) => {
    const offset = rank >= first ? rank - first : rank - first + count
    if (offset < size) members.push(endpoint)
    else others.push(endpoint)
  })
  return { members, others }
}

function inOrderOfHash<E extends Candidate>(endpoints: readonly E[]): readonly Placed<E>[] {
  const hash = new Xxh64()
  const placed = endpoints.map((endpoint): Placed<E> => {
    // By its address: under which ids that is registered must not move it.
    const key = addressIn(endpoint.instance.key)
    hash.hash(key)
    // As an unsigned number it would be in the lower half where its sign says so.
    return { endpoint, key, high: hash.high, low: hash.low }
  })
  return placed.sort(
    (a, b) =>
      (a.high >>> 0) - (b.high >>> 0) ||
      (a.low >>> 0) - (b.low >>> 0) ||
      (a.key < b.key ? -1 : a.key > b.key ? 1 : 0),
  )
}
