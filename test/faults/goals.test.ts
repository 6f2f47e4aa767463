import { describe, expect, test } from 'vitest'
import { judge } from './goals.js'
import { WELL } from './results.test.support.js'

describe('a fault of one instance', () => {
  test('all kept', () =>
    expect(judge('one', WELL)).toEqual({ idempotent: 'kept', p99: 'kept', recovery: 'kept', load: 'kept' }))

  test.each([
    ['idempotent', { idempotent: { sent: 900, lost: 1, cut: 0 } }],
    ['p99', { faultP99Ms: 12.1 }],
    ['p99', { faultP99Ms: Number.NaN }],
    ['recovery', { back: { kind: 'back', afterMs: 2001 } }],
    ['recovery', { back: { kind: 'away', forMs: 12_000 } }],
    ['load', { load: 1.21 }],
  ] as const)('%s is missed with %j', (goal, figures) => {
    const kept = { idempotent: 'kept', p99: 'kept', recovery: 'kept', load: 'kept' }
    expect(judge('one', { ...WELL, ...figures })).toEqual({ ...kept, [goal]: 'MISSED' })
  })

  test('what was cut after its head could not be saved, and what never left cannot come back', () => {
    const figures = {
      ...WELL,
      idempotent: { sent: 900, lost: 0, cut: 50 },
      back: { kind: 'never left' } as const,
    }
    expect(judge('one', figures)).toEqual({ idempotent: 'kept', p99: 'kept', load: 'kept' })
  })
})

describe('a fault of all', () => {
  test('no request can be saved, but all is well soon after and the load is limited', () => {
    const figures = { ...WELL, idempotent: { sent: 900, lost: 400, cut: 0 }, faultP99Ms: 30_000 }
    expect(judge('all', figures)).toEqual({ recovery: 'kept', load: 'kept' })
  })

  test('missed', () => {
    expect(judge('all', { ...WELL, recoveryMs: undefined, peakLoad: 1.9 })).toEqual({
      recovery: 'MISSED',
      load: 'MISSED',
    })
    expect(judge('all', { ...WELL, recoveryMs: 2100 })).toMatchObject({ recovery: 'MISSED' })
  })
})

describe('no fault', () => {
  test('nothing is lost, nothing is slow', () =>
    expect(judge('none', WELL)).toEqual({ idempotent: 'kept', p99: 'kept', load: 'kept' }))

  test.each([
    ['idempotent', { notIdempotent: { sent: 100, lostInFlight: 0, lostBeyond: 1 } }],
    ['idempotent', { idempotent: { sent: 900, lost: 0, cut: 1 } }],
    ['p99', { healthyP99Ms: 26 }],
    ['p99', { faultP99Ms: 26 }],
    ['load', { load: 0.5 }],
    ['load', { load: 1.3 }],
  ] as const)('%s is missed with %j', (goal, figures) =>
    expect(judge('none', { ...WELL, ...figures })).toMatchObject({ [goal]: 'MISSED' }),
  )
})
