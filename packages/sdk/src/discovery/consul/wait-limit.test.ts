import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConsulError } from '../../consul/consul-error.js'
import { WaitLimit } from './wait-limit.js'

const answered = (statusCode: number): ConsulError => new ConsulError('no', { statusCode })
const closed = new ConsulError('closed')

test.each([504, 408])(
  'a proxy says so with %i: the wait and its stagger end a second before its limit',
  (status) => {
    const wait = new WaitLimit(300_000)
    expect(wait.isCut(answered(status), 60_000)).toBe(true)
    expect(wait.waitMs).toBe(55_529)
    expect((wait.waitMs * 17) / 16).toBeLessThanOrEqual(59_000)
  },
)

test.each([
  ['a connection that ends', closed],
  ['502', answered(502)],
  ['503', answered(503)],
])('%s may be a restart, unless it comes after the same time again', (_, error) => {
  const wait = new WaitLimit(300_000)
  expect(wait.isCut(error, 50_000)).toBe(false)
  expect(wait.isCut(error, 120_000)).toBe(false)
  expect(wait.waitMs).toBe(300_000)
  expect(wait.isCut(error, 120_900)).toBe(true)
  expect(wait.waitMs).toBe(112_000)
  // Its evidence is used up.
  expect(wait.isCut(error, 112_000)).toBe(false)
})

test('a longer wait that is answered shows that the one before was no limit; a shorter one shows nothing', () => {
  const wait = new WaitLimit(300_000)
  expect(wait.isCut(closed, 60_000)).toBe(false)
  wait.answered(61_001)
  expect(wait.isCut(closed, 60_000)).toBe(false)
  wait.answered(30_000)
  expect(wait.isCut(closed, 60_000)).toBe(true)
})

test('our own limit is not that of a proxy in between', () => {
  const wait = new WaitLimit(300_000)
  const timedOut = new ConsulError('has not answered', { timedOut: true })
  for (let times = 0; times < 3; times++) expect(wait.isCut(timedOut, 328_750)).toBe(false)
  expect(wait.waitMs).toBe(300_000)
})

test.each([400, 403, 429, 500])('%i is the agent itself', (status) => {
  const wait = new WaitLimit(300_000)
  for (let times = 0; times < 3; times++) expect(wait.isCut(answered(status), 60_000)).toBe(false)
  expect(wait.waitMs).toBe(300_000)
})

test('what fails at once is not a wait that was cut', () => {
  const wait = new WaitLimit(300_000)
  for (let times = 0; times < 3; times++) expect(wait.isCut(answered(504), 4999)).toBe(false)
  expect(wait.waitMs).toBe(300_000)
})

test('it never gets longer, nor shorter than three seconds and a half', () => {
  const failure = fc.constantFrom(closed, answered(504), answered(502))
  const failures = fc.array(fc.tuple(failure, fc.nat(400_000)))
  fc.assert(
    fc.property(failures, (many) => {
      const wait = new WaitLimit(300_000)
      for (const [error, afterMs] of many) {
        const before = wait.waitMs
        wait.isCut(error, afterMs)
        expect(wait.waitMs).toBeLessThanOrEqual(before)
        expect(wait.waitMs).toBeGreaterThan(3500)
      }
    }),
  )
})
