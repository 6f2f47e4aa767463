import { createHash } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { until } from '../../test-support/until.test.support.js'
import { KetamaDigests } from './ketama-digests.js'
import { ketamaPoints } from './ring-points.js'

function digestsOf(name: string, first: number, count: number): number[] {
  const buffers = Array.from({ length: count }, (_, index) =>
    createHash('md5')
      .update(`${name}-${first + index}`)
      .digest(),
  )
  return buffers.flatMap((buffer) => [0, 4, 8, 12].map((at) => buffer.readInt32LE(at)))
}

test('are those of the name as it is now, from any number, and as many as are asked for', () => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'schlüssel'),
    first: fc.constantFrom(0, 3),
    count: fc.integer({ min: 1, max: 6 }),
    which: fc.nat({ max: 1 }),
  })
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const digests = new KetamaDigests()
      const endpoints = [{}, {}]
      for (const { name, first, count, which } of steps) {
        const numbers = digests.of(endpoints[which] ?? {}, name, first, count)
        expect([...numbers].slice(0, 4 * count)).toEqual(digestsOf(name, first, count))
      }
    }),
  )
})

test('are made once, as long as they are of the same endpoint', () => {
  const digests = new KetamaDigests()
  const endpoint = {}
  const numbers = digests.of(endpoint, 'a', 0, 40)
  expect(digests.of(endpoint, 'a', 0, 40)).toBe(numbers)
  expect(digests.of(endpoint, 'a', 0, 39)).toBe(numbers)
  expect(digests.of({}, 'a', 0, 40)).not.toBe(numbers)
})

test('leave the ring what it is, through any changes of the set', () => {
  const member = fc.record({
    id: fc.nat({ max: 7 }),
    port: fc.nat({ max: 3 }),
    weight: fc.integer({ min: 1, max: 5 }),
  })
  const set = fc.uniqueArray(member, { selector: ({ id }) => id, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(set, { maxLength: 6 }), (sets) => {
      const digests = new KetamaDigests()
      const endpoints = Array.from({ length: 8 }, (_, id) => ({ id }))
      for (const set of sets) {
        // Twins stand beside each other, as in hash order.
        const members = set.toSorted((a, b) => a.port - b.port)
        const named = members.map(({ port, weight }) => ({ name: `10.0.0.1:${port}`, weight }))
        const own = members.map(({ id }) => endpoints[id] ?? {})
        expect(ketamaPoints(named, digests, own)).toEqual(ketamaPoints(named))
      }
    }),
    { numRuns: 30 },
  )
})

test('are gone with their endpoint', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const digests = new KetamaDigests()
  const kept = {}
  const numbers = new WeakRef(digests.of(kept, 'kept', 0, 40))
  const gone = goneFrom(digests)
  await until(() => {
    collect()
    return gone.deref() === undefined
  })
  expect(numbers.deref()).toBe(digests.of(kept, 'kept', 0, 40))
})

function goneFrom(digests: KetamaDigests): WeakRef<Int32Array> {
  return new WeakRef(digests.of({}, 'gone', 0, 40))
}
