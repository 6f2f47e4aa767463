import { Xxh64 } from '../../hashing/xxh64.js'
import { Numbers, type HashMember } from './hash-member.js'
import { RingPoints } from './hash-ring.js'
import { KetamaDigests } from './ketama-digests.js'

/**
 * Envoy's points: XXH64 of `<name>_<i>`, as many for each member as its weight asks for, in sum between the sizes.
 * Source: Envoy `ring_hash_lb.cc`, with its arithmetic in doubles, and so point by point the same ring.
 */
export function xxHashPoints(
  members: readonly HashMember[],
  minimumRingSize: number,
  maximumRingSize: number,
): RingPoints {
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  const least = members.reduce((least, { weight }) => Math.min(least, weight / total), 1)
  // The lightest gets a whole number of points, unless that makes the ring too large.
  const scale = Math.min(Math.ceil(least * minimumRingSize) / least, maximumRingSize)
  const points = new RingPoints(Math.ceil(scale) + members.length)
  const hash = new Xxh64()
  const numbers = new Numbers()
  // Running sums, so that fractions of a point are not lost: some of equal members get one more than others.
  let current = 0
  let target = 0
  members.forEach(({ name, weight }, owner) => {
    target += scale * (weight / total)
    for (; current < target; current++) {
      hash.hash(`${name}_${numbers.next(name)}`)
      points.add(hash.high, hash.low, owner)
    }
  })
  return points
}

// 40 hashes of 16 bytes for each member of average weight, each four points: 160.
const KETAMA_HASHES = 40
const KETAMA_POINTS = 4

/**
 * libketama's points: MD5 of `<name>-<i>`, four little-endian numbers each.
 * Source: https://github.com/RJ/ketama `libketama/ketama.c`, with its arithmetic in floats and doubles.
 *
 * @param endpoints Those of the members: what their digests are kept by.
 */
export function ketamaPoints(
  members: readonly HashMember[],
  digests: KetamaDigests = new KetamaDigests(),
  endpoints: readonly object[] = members,
): RingPoints {
  const total = members.reduce((sum, { weight }) => sum + weight, 0)
  const points = new RingPoints((KETAMA_HASHES + 1) * KETAMA_POINTS * members.length)
  const numbers = new Numbers()
  members.forEach(({ name, weight }, owner) => {
    const share = Math.fround(Math.fround(weight) / Math.fround(total))
    // At least one, where libketama has none for a very small weight: it would never be taken.
    const hashes = Math.max(1, Math.floor(Math.fround(share * KETAMA_HASHES * members.length)))
    const made = digests.of(endpoints[owner] ?? members, name, numbers.take(name, hashes), hashes)
    for (let point = 0; point < KETAMA_POINTS * hashes; point++) points.add(made[point] ?? 0, 0, owner)
  })
  return points
}
