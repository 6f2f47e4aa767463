import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { instanceAt } from '../../testing/index.js'
import { decodeSaved, encodeSaved, type Saved } from './snapshot-format.js'

const saved: Saved = {
  source: 'Consul at http://127.0.0.1:8500',
  service: 'orders',
  snapshot: {
    kind: 'snapshot',
    savedAt: Date.UTC(2030, 0, 1),
    instances: [
      instanceAt('http://10.0.0.1:1', { tags: ['v2'], meta: { version: '2' } }),
      instanceAt('https://[fd00::1]:2', {
        weight: 0,
        priority: 1,
        addresses: ['10.0.0.7', 'fd00::7'],
        locality: { datacenter: 'dc2', zone: 'grün' },
      }),
    ],
    excluded: [{ key: 'node-3/orders@10.0.0.3:1', reason: 'critical', kind: 'unhealthy', priority: 0 }],
    policy: {
      connectTimeoutMs: 200,
      requestTimeoutMs: 1500.5,
      loadBalancer: {
        policy: 'ring_hash',
        minimumRingSize: 64,
        hashPolicies: [
          { field: 'header', name: 'x-user', terminal: true },
          { field: 'pathname', name: '', terminal: false },
        ],
      },
    },
  },
}

const whole = encodeSaved(saved)

/** Of this content, with the head that belongs to it. */
function sealed(content: string, version = 1): Buffer {
  const sha256 = createHash('sha256').update(content).digest('hex')
  return Buffer.from(`${JSON.stringify({ version, sha256 })}\n${content}`)
}

function isRefused(bytes: Buffer): boolean {
  try {
    decodeSaved(bytes)
    return false
  } catch {
    return true
  }
}

const contentOf = (bytes: Buffer): string => bytes.toString('utf8').split('\n')[1] ?? ''

test('what is decoded is what was encoded, and frozen', () => {
  expect(decodeSaved(whole)).toEqual(saved)
  expect(decodeSaved(whole).snapshot.instances.every((instance) => Object.isFrozen(instance))).toBe(true)
  const { policy, ...plain } = saved.snapshot
  expect(policy).toBeDefined()
  expect(decodeSaved(encodeSaved({ ...saved, snapshot: plain }))).toEqual({ ...saved, snapshot: plain })
  const empty = { ...saved, snapshot: { ...plain, instances: [], excluded: [] } }
  expect(decodeSaved(encodeSaved(empty))).toEqual(empty)
})

test('whether it is suspect is not part of it', () => {
  const suspected = { ...saved, snapshot: { ...saved.snapshot, suspect: 'the agent knows no leader' } }
  expect(decodeSaved(encodeSaved(suspected))).toEqual(saved)
})

test('of another version it is not valid', () => {
  expect(decodeSaved(sealed(contentOf(whole)))).toEqual(saved)
  expect(() => decodeSaved(sealed(contentOf(whole), 2))).toThrow(
    'it is damaged, or of another version than 1',
  )
})

test.each([
  ['instances', 'none'],
  ['instances', [{}]],
  ['instances', [{ ...saved.snapshot.instances[0], origin: 'nowhere' }]],
  ['excluded', undefined],
  ['savedAt', 'yesterday'],
  ['policy', { requestTimeoutMs: '1s' }],
])('whole, but with %s of %j it is not valid', (field, value) => {
  const content = JSON.parse(contentOf(whole)) as object
  expect(() => decodeSaved(sealed(JSON.stringify({ ...content, [field]: value })))).toThrow()
})

test('with any bit turned it is not valid', () => {
  for (let bit = 0; bit < 8 * whole.length; bit++) {
    const damaged = Buffer.from(whole)
    damaged[bit >> 3] = (whole[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (!isRefused(damaged)) expect.fail(`bit ${bit}`)
  }
})

test('with any bytes replaced it is not valid', () => {
  const splice = fc.record({
    at: fc.nat({ max: whole.length }),
    removed: fc.nat({ max: 40 }),
    added: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(Buffer.from(' '))),
  })
  fc.assert(
    fc.property(splice, ({ at, removed, added }) => {
      const damaged = Buffer.concat([whole.subarray(0, at), added, whole.subarray(at + removed)])
      return damaged.equals(whole) || isRefused(damaged)
    }),
    { numRuns: 2000 },
  )
})

test('cut off anywhere it is not valid', () => {
  for (let length = 0; length < whole.length; length++)
    if (!isRefused(whole.subarray(0, length))) expect.fail(`${length} bytes`)
})
