import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock, seededRandom } from '../testing/index.js'
import { limitedLifetime } from './lifetime.js'

test('a connection is old at its age, up to a tenth earlier and never later', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 86_400_000 }), fc.integer(), async (ms, seed) => {
      const clock = new ManualClock()
      const lifetime = limitedLifetime({ maxAge: { ms, random: seededRandom(seed) }, clock })
      let oldAt: number | undefined
      lifetime.whenOld(() => (oldAt = clock.now()))
      await clock.advance(ms)
      expect(oldAt).toBeGreaterThan(0.9 * ms)
      expect(oldAt).toBeLessThanOrEqual(ms)
    }),
    { numRuns: 50 },
  )
})

test('connections that were opened together do not become old together', async () => {
  const clock = new ManualClock()
  const lifetime = limitedLifetime({ maxAge: { ms: 100_000, random: seededRandom(1) }, clock })
  const times = new Set<number>()
  for (let n = 0; n < 20; n++) lifetime.whenOld(() => times.add(clock.now()))
  await clock.advance(100_000)
  expect(times.size).toBe(20)
})

test('one that has ended has no timer left', () => {
  const clock = new ManualClock()
  const forget = limitedLifetime({ maxAge: { ms: 1000, random: seededRandom(1) }, clock }).whenOld(
    () => undefined,
  )
  expect(clock.pending).toBe(1)
  forget()
  expect(clock.pending).toBe(0)
})

test('without a limit there is no timer', () => {
  const clock = new ManualClock()
  const lifetime = limitedLifetime({ clock })
  lifetime.whenOld(() => undefined)()
  expect(clock.pending).toBe(0)
  expect(lifetime.maxRequests).toBe(Infinity)
})
