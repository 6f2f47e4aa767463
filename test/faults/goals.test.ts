import { describe, expect, test } from 'vitest'
import { judge } from './goals.js'
import { WELL } from './results.test.support.js'

const NONE = { on: 'none', setting: 'default' } as const
const ONE = { on: 'one', setting: 'default' } as const
const ALL = { on: 'all', setting: 'default' } as const

describe('a fault of one instance', () => {
  test('all kept', () => expect(judge(ONE, WELL)).toEqual({ idempotent: 'kept', p99: 'kept', load: 'kept' }))

  test.each([
    ['idempotent', { idempotent: { sent: 900, lost: 1, cut: 0, answered: 0 } }],
    ['p99', { faultP99Ms: 12.1 }],
    ['p99', { faultP99Ms: Number.NaN }],
    ['load', { load: 1.21 }],
  ] as const)('%s is missed with %j', (goal, figures) => {
    const kept = { idempotent: 'kept', p99: 'kept', load: 'kept' }
    expect(judge(ONE, { ...WELL, ...figures })).toEqual({ ...kept, [goal]: 'MISSED' })
  })

  test('what was cut after its head could not be saved, unless responses are held until they are whole', () => {
    const cut = { ...WELL, idempotent: { sent: 900, lost: 0, cut: 50, answered: 0 } }
    expect(judge(ONE, cut)).toMatchObject({ idempotent: 'kept' })
    expect(judge({ on: 'one', setting: 'hold' }, cut)).toMatchObject({ idempotent: 'MISSED' })
    expect(judge({ on: 'one', setting: 'hold' }, WELL)).toMatchObject({ idempotent: 'kept' })
  })

  test('what was answered 500 was handed on, unless that is tried elsewhere', () => {
    const answered = { ...WELL, idempotent: { sent: 900, lost: 0, cut: 0, answered: 4 } }
    expect(judge(ONE, answered)).toMatchObject({ idempotent: 'kept' })
    expect(judge({ on: 'one', setting: 'retry-500' }, answered)).toMatchObject({ idempotent: 'MISSED' })
    expect(judge(NONE, answered)).toMatchObject({ idempotent: 'MISSED' })
  })

  test('back within what its circuit and its ejection ask for, which no goal can shorten', () => {
    const away = { ...WELL, back: { kind: 'away', forMs: 12_000 } } as const
    expect(judge(ONE, away)).toEqual(judge(ONE, WELL))
  })
})

describe('a fault of all', () => {
  test('no request can be saved, but all is well soon after and the load is limited', () => {
    const figures = { ...WELL, idempotent: { sent: 900, lost: 400, cut: 0, answered: 0 }, faultP99Ms: 30_000 }
    expect(judge(ALL, figures)).toEqual({ recovery: 'kept', load: 'kept' })
  })

  test('without a budget the load is there to compare with', () =>
    expect(judge({ on: 'all', setting: 'no-budget' }, { ...WELL, peakLoad: 2 })).toEqual({
      recovery: 'kept',
    }))

  test('missed', () => {
    expect(judge(ALL, { ...WELL, recoveryMs: undefined, peakLoad: 1.9 })).toEqual({
      recovery: 'MISSED',
      load: 'MISSED',
    })
    expect(judge(ALL, { ...WELL, recoveryMs: 2100 })).toMatchObject({ recovery: 'MISSED' })
  })
})

describe('no fault', () => {
  test('nothing is lost, nothing is slow', () =>
    expect(judge(NONE, WELL)).toEqual({ idempotent: 'kept', p99: 'kept', load: 'kept' }))

  test.each([
    ['idempotent', { notIdempotent: { sent: 100, lostInFlight: 0, lostBeyond: 1 } }],
    ['idempotent', { idempotent: { sent: 900, lost: 0, cut: 1, answered: 0 } }],
    ['p99', { healthyP99Ms: 26 }],
    ['p99', { faultP99Ms: 26 }],
    ['load', { load: 0.5 }],
    ['load', { load: 1.3 }],
  ] as const)('%s is missed with %j', (goal, figures) =>
    expect(judge(NONE, { ...WELL, ...figures })).toMatchObject({ [goal]: 'MISSED' }),
  )
})
