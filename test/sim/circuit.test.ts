import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Outcome } from '#sdk/resilience/breaker.js'
import { opossumBreaker } from '#sdk/resilience/opossum-breaker.js'
import { simCircuit } from './circuit.js'
import { Timeline } from './timeline.js'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const OPTIONS = { volumeThreshold: 5, errorThresholdPercentage: 50, windowMs: 1000, resetMs: 700 }

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Outcome>('failure', 'success', 'ignored') },
  // Requests that end long after they began, out of turn.
  { weight: 1, arbitrary: fc.record({ late: fc.constantFrom<Outcome>('failure', 'success') }) },
  { weight: 2, arbitrary: fc.record({ ms: fc.constantFrom(1, 99, 350, 701, 1500) }) },
)

test('goes through the same states as the real breaker, whatever happens', async () => {
  const met = new Set<string>()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), async (steps) => {
      const timeline = new Timeline()
      const told: [string[], string[]] = [[], []]
      const real = opossumBreaker(OPTIONS)((state) => told[0].push(state), 0)
      const ours = simCircuit(OPTIONS, timeline)((state) => told[1].push(state), 0)
      const held: [number, number][] = []
      const record = async (permits: readonly [number, number], outcome: Outcome): Promise<void> => {
        const now = timeline.now()
        if (permits[0] !== 0) real.record(permits[0], outcome, now)
        if (permits[1] !== 0) ours.record(permits[1], outcome, now)
        await vi.advanceTimersByTimeAsync(0)
      }
      for (const one of steps) {
        if (typeof one === 'string') await record([real.acquire(), ours.acquire()], one)
        else if ('ms' in one) {
          await vi.advanceTimersByTimeAsync(one.ms)
          timeline.runUntil(timeline.nowUs + one.ms * 1000)
        } else {
          held.push([real.acquire(), ours.acquire()])
          const first = held.length > 2 ? held.shift() : undefined
          if (first !== undefined) await record(first, one.late)
        }
        met.add(ours.state)
        expect([ours.state, ours.available, told[1]]).toEqual([real.state, real.available, told[0]])
      }
      real.close()
      ours.close()
    }),
    { numRuns: 300, seed: 7 },
  )
  expect(met).toEqual(new Set(['closed', 'open', 'half_open']))
})
