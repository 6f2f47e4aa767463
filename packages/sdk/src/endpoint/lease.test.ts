import { expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { HeardEndpoint } from './attempt.test.support.js'
import { Lease } from './lease.js'

async function begun(): Promise<{ clock: ManualClock; endpoint: HeardEndpoint; lease: Lease }> {
  const clock = new ManualClock()
  const endpoint = new HeardEndpoint(clock)
  await clock.advance(1000)
  return { clock, endpoint, lease: new Lease(endpoint, 1, clock.now()) }
}

test('latency counts from its beginning to the first answer, and once', async () => {
  const { clock, endpoint, lease } = await begun()
  await clock.advance(5)
  lease.firstAnswer(clock.now())
  expect(endpoint.estimateUs(clock.now())).toBe(5000)
  lease.firstAnswer(clock.now(), 100)
  expect(endpoint.estimateUs(clock.now())).toBe(5000)
})

test('a failure costs what it took, and not what the clock says', async () => {
  const penalties: number[] = []
  const { clock, endpoint, lease } = await begun()
  endpoint.penalize = (tookMs) => void penalties.push(tookMs)
  await clock.advance(5)
  lease.outcome('local_failure', clock.now(), clock.now())
  lease.end(clock.now())
  expect([penalties, endpoint.inflight]).toEqual([[5], 0])
})
