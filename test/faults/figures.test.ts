import { describe, expect, test } from 'vitest'
import { figuresOf, percentile } from './figures.js'
import { attemptsAt, countsAt, recordingOf } from './recording.test.support.js'

describe('percentile', () => {
  test('is the nearest rank, which is one of the values', () => {
    const values = Array.from({ length: 100 }, (_, place) => 100 - place)
    expect([50, 99, 100].map((percent) => percentile(values, percent))).toEqual([50, 99, 100])
    expect(percentile([7, 9], 99)).toBe(9)
    expect(percentile([7, 9], 50)).toBe(7)
    expect(percentile([3], 0)).toBe(3)
  })

  test('sorts numbers as numbers', () => expect(percentile([10, 9, 100], 50)).toBe(10))

  test('of nothing is no number', () => expect(percentile([], 99)).toBeNaN())
})

describe('losses', () => {
  test('of GETs are told by whether a head had been handed on', () => {
    const { idempotent } = figuresOf(
      recordingOf((due) => {
        if (due === 2001 || due === 2002) return { ending: 'failed' }
        if (due === 2003) return { ending: 'pending' }
        if (due === 2005) return { ending: 'failed', reason: 'status 500' }
        if (due === 2006) return { ending: 'failed', reason: 'status 503' }
        return due === 2004 ? { ending: 'cut' } : {}
      }),
    )
    expect(idempotent).toEqual({ sent: 4500, lost: 4, cut: 1, answered: 1 })
  })

  test('of POSTs are in flight where they were sent before the fault and had not ended', () => {
    const { notIdempotent } = figuresOf(
      recordingOf((due) => {
        // Sent and ended before; in flight; due before and sent after; sent after.
        if (due === 1980) return { ending: 'failed', tookMs: 10 }
        if (due === 1990) return { ending: 'failed', tookMs: 50 }
        if (due === 1970) return { ending: 'failed', lateMs: 40, tookMs: 50 }
        if (due === 2010) return { ending: 'cut', tookMs: 5 }
        return {}
      }),
    )
    expect(notIdempotent).toEqual({ sent: 500, lostInFlight: 1, lostBeyond: 3 })
  })

  test('of the warm-up do not count', () => {
    const { idempotent, notIdempotent } = figuresOf(
      recordingOf((due) => (due < 1000 ? { ending: 'failed' } : {})),
    )
    expect(idempotent.lost + notIdempotent.lostBeyond + notIdempotent.lostInFlight).toBe(0)
  })
})

test('p99 is of the health before the fault, and of what is due when it should have settled', () => {
  const { healthyP99Ms, faultP99Ms, lateP99Ms } = figuresOf(
    recordingOf((due) => {
      const slow = due % 50 === 1
      if (due < 1000 || (due >= 2000 && due < 3000) || due >= 4000) return { tookMs: 9999, lateMs: 1 }
      return { tookMs: slow ? (due < 2000 ? 5 : 40) : 2, lateMs: 1 }
    }),
  )
  expect({ healthyP99Ms, faultP99Ms, lateP99Ms }).toEqual({ healthyP99Ms: 5, faultP99Ms: 40, lateP99Ms: 1 })
})

describe('recovery', () => {
  const recovery = (fate: (due: number) => boolean): number | undefined =>
    figuresOf(recordingOf((due) => ({ ending: fate(due) ? 'ok' : 'failed' }))).recoveryMs

  test('is when all goes well and goes on to', () => {
    expect(recovery((due) => due < 2000 || due >= 4730)).toBe(800)
    expect(recovery((due) => due < 4100 || (due >= 4200 && due < 5000) || due >= 5100)).toBe(1100)
  })

  test('is at once where all goes well from the first healthy instance on', () =>
    expect(recovery((due) => due < 2000 || due >= 4000)).toBe(0))

  test('is not undone by one request in a hundred', () => {
    expect(recovery((due) => due !== 5050)).toBe(0)
    expect(recovery((due) => due !== 5050 && due !== 5051)).toBe(1100)
  })

  test('may not be within the run', () => expect(recovery((due) => due < 2000)).toBeUndefined())
})

describe('load', () => {
  test('is what instances read of what was offered in the same time', () => {
    const seen = countsAt((bucket) => (bucket >= 2000 && bucket < 4000 ? 115 : 100))
    expect(figuresOf(recordingOf(() => ({}), { seen })).load).toBeCloseTo(1.15)
    expect(
      figuresOf(recordingOf(() => ({}), { seen, timeline: { faultAt: 1950, endAt: 4060 } })).load,
    ).toBeCloseTo(1.15)
  })

  test('is nothing where nothing was read', () => {
    const { load, peakLoad } = figuresOf(recordingOf(() => ({})))
    expect([load, peakLoad]).toEqual([0, 0])
  })

  test('at its most is that of a second, also after the fault', () => {
    const seen = countsAt((bucket) => (bucket >= 4300 && bucket < 4800 ? 300 : 100))
    expect(figuresOf(recordingOf(() => ({}), { seen })).peakLoad).toBeCloseTo(2)
  })

  test('at its most is relative to what was sent, where the load had fallen behind', () => {
    const seen = countsAt((bucket) => ({ 3: 0, 4: 200 })[Math.floor(bucket / 1000)] ?? 100)
    const late = (due: number): number => (due >= 3000 && due < 4000 ? 1000 : 0)
    expect(figuresOf(recordingOf((due) => ({ lateMs: late(due) }), { seen })).peakLoad).toBeCloseTo(1)
  })

  test('at its most is not that before the fault', () => {
    const seen = countsAt((bucket) => (bucket < 2000 ? 300 : 100))
    expect(figuresOf(recordingOf(() => ({}), { seen })).peakLoad).toBeCloseTo(1)
  })
})

describe('traffic', () => {
  const attempts = attemptsAt(20_000, (time) => (time < 2300 || time >= 4100 ? 250 : 0))
  const traffic = (more: { faulty?: number; attempts?: typeof attempts }): unknown => {
    const { departure, back } = figuresOf(recordingOf(() => ({}), more))
    return { departure, back }
  }

  test('is that of the one instance with the fault', () =>
    expect(traffic({ faulty: 20_000, attempts })).toEqual({
      departure: { kind: 'left', afterMs: 300 },
      back: { kind: 'back', afterMs: 200 },
    }))

  test('is not known where there is no such instance, or nothing is said of it', () => {
    const unknown = { departure: undefined, back: undefined }
    expect(traffic({ attempts })).toEqual(unknown)
    expect(traffic({ faulty: 20_000 })).toEqual(unknown)
  })
})
