import { registeredWeight } from '../picker.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FairleadError } from '../../errors.js'
import { candidates, FakeCandidate, instanceAt, keyHash, seededRandom } from '../../testing/index.js'
import { HashRing, type RingPoints } from './hash-ring.js'
import type { PickContext } from '../picker.js'
import { ringHash, type RingHashOptions } from './ring-hash.js'
import { ketamaPoints, xxHashPoints } from './ring-points.js'

/** Ports as in Envoy's tests, of 127.0.0.1. */
function members(weights: Readonly<Record<number, number>>): { name: string; weight: number }[] {
  return Object.entries(weights).map(([port, weight]) => ({ name: `127.0.0.1:${port}`, weight }))
}

const equal = (...ports: readonly number[]): { name: string; weight: number }[] =>
  ports.map((port) => ({ name: `127.0.0.1:${port}`, weight: 1 }))

const halves = (value: bigint): [number, number] => [
  Number(BigInt.asIntN(32, value >> 32n)),
  Number(BigInt.asIntN(32, value)),
]

const valueOf = (high: number, low: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)

const LAST = 2n ** 64n - 1n

/** How many of `count` hashes, evenly spread over the circle as in Envoy's tests, each member gets. */
function histogram(ring: HashRing, members: number, count: number): number[] {
  const counts = new Array<number>(members).fill(0)
  for (let n = 0n; n < count; n++) {
    const owner = ring.owner(ring.at(...halves(n * (LAST / BigInt(count)))))
    counts[owner] = (counts[owner] ?? 0) + 1
  }
  return counts
}

// test/extensions/load_balancing_policies/ring_hash/ring_hash_lb_test.cc, by the names of its tests.
describe("Envoy's rings", () => {
  test('Basic', () => {
    const points = xxHashPoints(equal(90, 91, 92, 93, 94, 95), 12, 8_388_608)
    const table = Array.from({ length: points.count }, (_, point) => ({
      port: 90 + (points.owners[point] ?? 0),
      position: valueOf(points.highs[point] ?? 0, points.lows[point] ?? 0),
    })).sort((a, b) => (a.position < b.position ? -1 : 1))
    expect(table).toEqual([
      { port: 94, position: 833437586790550860n },
      { port: 92, position: 928266305478181108n },
      { port: 90, position: 1033482794131418490n },
      { port: 95, position: 3551244743356806947n },
      { port: 93, position: 3851675632748031481n },
      { port: 91, position: 5583722120771150861n },
      { port: 91, position: 6311230543546372928n },
      { port: 93, position: 7700377290971790572n },
      { port: 95, position: 13144177310400110813n },
      { port: 92, position: 13444792449719432967n },
      { port: 94, position: 15516499411664133160n },
      { port: 90, position: 16117243373044804889n },
    ])
    const ring = new HashRing(points)
    for (const [hash, owner] of [
      [0n, 4],
      [LAST, 4],
      [3551244743356806947n, 5],
      [3551244743356806948n, 3],
      [16117243373044804880n, 0],
    ] as const)
      expect(ring.owner(ring.at(...halves(hash)))).toBe(owner)
  })

  test('HostWeightedTinyRing', () => {
    const ring = new HashRing(xxHashPoints(members({ 90: 1, 91: 2, 92: 3 }), 6, 6))
    expect(ring.size).toBe(6)
    const owners = [
      [928266305478181108n, 2],
      [4443673547860492590n, 2],
      [5583722120771150861n, 1],
      [6311230543546372928n, 1],
      [13444792449719432967n, 2],
      [16117243373044804889n, 0],
    ] as const
    for (const [hash, owner] of owners) expect(ring.owner(ring.at(...halves(hash)))).toBe(owner)
  })

  test('HostWeightedLargeRing', () => {
    const ring = new HashRing(xxHashPoints(members({ 90: 1, 91: 2, 92: 3 }), 6144, 8_388_608))
    expect(ring.size).toBe(6144)
    expect(histogram(ring, 3, 6000)).toEqual([987, 1932, 3081])
  })

  test('HostAndLocalityWeightedLargeRing, as the weights that it comes to', () => {
    const ring = new HashRing(xxHashPoints(members({ 90: 1, 91: 2, 92: 2, 93: 4 }), 9216, 8_388_608))
    expect(histogram(ring, 4, 9000)).toEqual([924, 2009, 2053, 4014])
  })

  test('UnevenHosts', () => {
    expect(xxHashPoints(equal(80, 81), 3, 8_388_608).count).toBe(4)
  })

  test('SmallFractionalScale: two of four are on a ring of two', () => {
    const ring = new HashRing(xxHashPoints(equal(90, 91, 92, 93), 2, 2))
    expect(ring.size).toBe(2)
    expect(histogram(ring, 4, 1024).filter((count) => count === 0).length).toBe(2)
  })

  test('LargeFractionalScale', () => {
    const ring = new HashRing(xxHashPoints(equal(90, 91), 1023, 1023))
    expect(ring.size).toBe(1023)
    expect(histogram(ring, 2, 1023)).toEqual([526, 497])
  })

  test('LopsidedWeightSmallScale: of the light ones, every 128th is on the ring', () => {
    const light = Array.from({ length: 1023 }, (_, index) => ({ name: `127.0.0.1:${index + 1}`, weight: 1 }))
    const points = xxHashPoints([{ name: '127.0.0.1:0', weight: 127 * 1023 }, ...light], 1024, 1024)
    const ring = new HashRing(points)
    expect(points.owners.subarray(0, points.count).filter((owner) => owner === 0).length).toBe(1016)
    const owners = [
      [11664790346325243808n, 1],
      [15894554872961148518n, 128],
      [13958138884277627155n, 256],
      [15803774069438192949n, 384],
      [3829253010855396576n, 512],
      [17918147347826565154n, 640],
      [6442769608292299103n, 768],
      [5881074926069334434n, 896],
    ] as const
    for (const [hash, owner] of owners) expect(ring.owner(ring.at(...halves(hash)))).toBe(owner)
  })
})

// Computed by libketama's own loop, in C, of the servers in its sample file.
test("libketama's ring", () => {
  const weights = [600, 300, 200, 350, 1000, 800, 950, 100]
  const servers = weights.map((weight, index) => ({ name: `10.0.1.${index + 1}:11211`, weight }))
  const points = ketamaPoints(servers)
  const counts = servers.map(
    (_, owner) => points.owners.subarray(0, points.count).filter((o) => o === owner).length,
  )
  expect(counts).toEqual([44, 22, 14, 26, 74, 59, 70, 7].map((hashes) => 4 * hashes))
  const sorted = Array.from({ length: points.count }, (_, point): [number, number] => [
    (points.highs[point] ?? 0) >>> 0,
    points.owners[point] ?? 0,
  ]).sort(([a], [b]) => a - b)
  expect(sorted.slice(0, 12)).toEqual([
    [762113, 4],
    [2322555, 4],
    [3967256, 5],
    [4398564, 3],
    [10171922, 0],
    [13311690, 6],
    [17290842, 6],
    [20429789, 5],
    [24991403, 1],
    [27739743, 4],
    [28696007, 4],
    [36625650, 5],
  ])
  const checksum = sorted.flat().reduce((sum, number) => (Math.imul(sum, 31) + number) >>> 0, 0)
  expect(checksum).toBe(275509175)
})

test.each([
  [60, 160],
  // Where a float holds 1 / 61 as less than that.
  [61, 156],
  [62, 160],
])('of %i equal members each has %i points on a ring of libketama', (count, points) => {
  const members = Array.from({ length: count }, (_, index) => ({ name: `10.0.1.${index}:80`, weight: 7 }))
  expect(ketamaPoints(members).count).toBe(count * points)
})

const context = (key: string | undefined): PickContext<FakeCandidate> => ({
  now: 0,
  tried: [],
  hash: key === undefined ? undefined : keyHash(key),
})
const keys = Array.from({ length: 2000 }, (_, index) => `user-${index}`)

type Assignment = Map<string, string | undefined>

/** Which endpoint, by origin, each key meets. */
function assign(endpoints: readonly FakeCandidate[], options: RingHashOptions, seed = 1): Assignment {
  const picker = ringHash(options)(endpoints, seededRandom(seed), registeredWeight)
  return new Map(keys.map((key) => [key, picker.pick(context(key))?.instance.origin]))
}

const weights = fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 2, maxLength: 10 })
const hashFunction = fc.constantFrom('xx_hash', 'ketama')

describe('a key', () => {
  test('meets the same endpoint in every process, whatever the order in which endpoints are listed', () => {
    fc.assert(
      fc.property(weights, hashFunction, fc.integer(), (weights, hashFunction, seed) => {
        const endpoints = candidates(weights)
        const shuffled = endpoints
          .map((endpoint, index) => ({ endpoint, at: Math.imul(seed + index, 0x9e3779b1) >>> 0 }))
          .sort((a, b) => a.at - b.at)
          .map(({ endpoint }) => endpoint)
        expect(assign(shuffled, { hashFunction }, 2)).toEqual(assign(endpoints, { hashFunction }, 1))
      }),
      { numRuns: 20 },
    )
  })

  test('falls over to the endpoint that it would meet if those before were not there', () => {
    const endpoints = candidates(Array.from({ length: 10 }, () => 1))
    const [down, tried] = endpoints as [FakeCandidate, FakeCandidate]
    // One point an endpoint is the same point whatever the others are.
    const balancer = ringHash({ minimumRingSize: 1 })
    const picker = balancer(endpoints, seededRandom(1), registeredWeight)
    const without = balancer(endpoints.slice(2), seededRandom(1), registeredWeight)
    down.available = false
    for (const key of keys) {
      const request = { ...context(key), tried: [tried] }
      expect(picker.pick(request)).toBe(without.pick(request))
    }
  })
})

/** What each owns of the circle. */
function shares({ count, highs, owners }: RingPoints, members: number): number[] {
  const sorted = Array.from({ length: count }, (_, point) => ({
    at: ((highs[point] ?? 0) >>> 0) / 2 ** 32,
    owner: owners[point] ?? 0,
  })).sort((a, b) => a.at - b.at)
  const shares = new Array<number>(members).fill(0)
  let before = (sorted.at(-1)?.at ?? 0) - 1
  for (const { at, owner } of sorted) {
    shares[owner] = (shares[owner] ?? 0) + at - before
    before = at
  }
  return shares
}

test('shares of the circle follow the weights', () => {
  fc.assert(
    fc.property(weights, (weights) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      const members = weights.map((weight, index) => ({ name: `10.0.0.${index}:80`, weight }))
      const points = xxHashPoints(members, 16_384, 65_536)
      shares(points, weights.length).forEach((own, index) => {
        const share = (weights[index] ?? 0) / total
        // Of n random points k = n x share: the arcs before them add up to a share that is Beta(k, n - k) distributed,
        // with a variance of share (1 - share) / (n + 1). Six deviations.
        const deviation = Math.sqrt((share * (1 - share)) / (points.count + 1))
        expect(Math.abs(own - share)).toBeLessThan(6 * deviation)
      })
    }),
    { numRuns: 30 },
  )
})

describe('when an endpoint leaves', () => {
  // With the number of points an endpoint as it was, every other endpoint keeps all of its own.
  test.each<[string, RingHashOptions, number]>([
    ['of equal weights, on a ring of ketama', { hashFunction: 'ketama' }, 20],
    ['where the lightest has one point before and after', { minimumRingSize: 20 }, 40],
  ])('only its keys move: %s', (_, options, size) => {
    fc.assert(
      fc.property(fc.nat({ max: size - 1 }), (leaving) => {
        const endpoints = candidates(Array.from({ length: size }, () => 1))
        const gone = endpoints[leaving]?.instance.origin
        const before = assign(endpoints, options)
        const after = assign(
          endpoints.filter((_, index) => index !== leaving),
          options,
        )
        for (const [key, origin] of before) {
          if (origin === gone) expect(after.get(key)).not.toBe(gone)
          else expect(after.get(key)).toBe(origin)
        }
      }),
      { numRuns: 10 },
    )
  })

  test("a ring of Envoy's moves others too, as each of the rest gets more points", () => {
    const endpoints = candidates(Array.from({ length: 10 }, () => 1))
    const before = assign(endpoints, {})
    const after = assign(endpoints.slice(1), {})
    const gone = endpoints[0]?.instance.origin
    const others = [...before].filter(([, origin]) => origin !== gone)
    const moved = others.filter(([key, origin]) => after.get(key) !== origin)
    // 114 points instead of 103: of 1,026 a share of 9 x 11 / 1,026 is new, and 8 of 9 take from another.
    const expected = (9 * 11) / 1026 / (9 / 8)
    expect(moved.length / others.length).toBeGreaterThan(0.5 * expected)
    expect(moved.length / others.length).toBeLessThan(1.5 * expected)
  })
})

test('two registrations of one address share what both weigh', () => {
  const [a, b, c] = candidates([1, 1, 1]) as [FakeCandidate, FakeCandidate, FakeCandidate]
  const twin = new FakeCandidate(1)
  Object.assign(twin, { instance: instanceAt(a.instance.origin, { key: 'twin' }) })
  const picker = ringHash({ minimumRingSize: 4096 })([a, b, c, twin], seededRandom(1), registeredWeight)
  const picks = keys.map((key) => picker.pick(context(key)))
  for (const endpoint of [a, b, c, twin]) {
    expect(picks.filter((pick) => pick === endpoint).length / keys.length).toBeCloseTo(0.25, 1)
  }
})

test('an endpoint is known by what one likes, such as a name that outlives its address', () => {
  const at = (port: number, shard: string): FakeCandidate =>
    Object.assign(new FakeCandidate(port), {
      instance: instanceAt(`http://10.0.0.1:${port}`, { meta: { shard } }),
    })
  const balancer = ringHash({ endpointKey: ({ meta }) => meta['shard'] ?? '' })
  const before = balancer([at(1, 'a'), at(2, 'b'), at(3, 'c')], seededRandom(1), registeredWeight)
  const after = balancer([at(13, 'c'), at(12, 'b'), at(11, 'a')], seededRandom(1), registeredWeight)
  for (const key of keys) {
    const shardOf = (endpoint: FakeCandidate | undefined): string | undefined =>
      endpoint?.instance.meta['shard']
    expect(shardOf(after.pick(context(key)))).toBe(shardOf(before.pick(context(key))))
  }
})

test.each<[unknown, string]>([
  [{ minimumRingSize: 0 }, 'minimumRingSize is 0: it must be a whole number from 1 to 8388608'],
  [{ minimumRingSize: 1.5 }, 'minimumRingSize is 1.5: it must be a whole number from 1 to 8388608'],
  [{ maximumRingSize: 8_388_609 }, 'maximumRingSize is 8388609: it must be a whole number from 1 to'],
  [
    { minimumRingSize: 20, maximumRingSize: 10 },
    'minimumRingSize is 20: it must be at most maximumRingSize, which is 10',
  ],
  [{ hashFunction: 'md5' }, "hashFunction is 'md5': it must be xx_hash or ketama"],
])('%j is refused', (options, message) => {
  expect(() => ringHash(options as RingHashOptions)).toThrow(FairleadError)
  expect(() => ringHash(options as RingHashOptions)).toThrow(message)
})

test('a larger minimum raises the default of the maximum', () => {
  expect(() => ringHash({ minimumRingSize: 100_000 })).not.toThrow()
})
