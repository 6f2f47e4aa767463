import { expect, test } from 'vitest'
import { attemptsAt, recordingOf } from './recording.test.support.js'
import { departureOf, returnOf, type Departure, type Return } from './traffic.js'

const PORT = 20_000

// The fair share of one in four of 1,000 a second is 250: a tenth of it 25, a half 125.
function seen(perSecond: (time: number) => number): { departure: Departure; back: Return } {
  const recording = recordingOf(() => ({}), { attempts: attemptsAt(PORT, perSecond), faulty: PORT })
  const departure = departureOf(recording, PORT)
  if (departure === undefined) throw new Error('there are no attempts')
  return { departure, back: returnOf(recording, PORT, departure) }
}

test('traffic has left where it falls below a tenth of the fair share, and is back at half of it', () => {
  expect(seen((time) => (time < 2300 || time >= 5100 ? 250 : 0))).toEqual({
    departure: { kind: 'left', afterMs: 300 },
    back: { kind: 'back', afterMs: 1200 },
  })
})

test('a probe now and then is no traffic', () => {
  const { departure } = seen((time) => (time < 2300 ? 250 : time === 3500 ? 20 : 0))
  expect(departure).toEqual({ kind: 'left', afterMs: 300 })
})

test('traffic that comes again during the fault has not left before that ends', () => {
  const { departure } = seen((time) => (time < 2300 || time === 3400 ? 250 : 0))
  expect(departure).toEqual({ kind: 'left', afterMs: 1500 })
})

test('traffic that stays has nothing to come back from', () => {
  expect(seen(() => 250)).toEqual({ departure: { kind: 'stayed' }, back: { kind: 'never left' } })
  expect(seen((time) => (time < 2000 ? 250 : 30)).departure).toEqual({ kind: 'stayed' })
})

test('what is less than half of the fair share is not back', () => {
  expect(seen((time) => (time < 2300 ? 250 : time < 4000 ? 0 : 100)).back).toEqual({
    kind: 'away',
    forMs: 2000,
  })
})

test('an interval in which the instance was well again is not of the fault', () => {
  const recording = recordingOf(() => ({}), {
    attempts: attemptsAt(PORT, (time) => (time < 2300 || time >= 4000 ? 250 : 0)),
    faulty: PORT,
    timeline: { endAt: 4050, healedAt: 4060 },
  })
  expect(departureOf(recording, PORT)).toEqual({ kind: 'left', afterMs: 300 })
  expect(returnOf(recording, PORT, { kind: 'left', afterMs: 300 })).toEqual({ kind: 'back', afterMs: 40 })
})
