import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { instanceAt, ManualClock } from '../testing/index.js'
import { AVAILABLE, type Judged, type JudgeFactory, type Restriction } from '../resilience/judge.js'
import { Classifier } from './classify.js'
import { Endpoint, type EndpointDependencies } from './endpoint.js'
import { HeldTransport } from './attempt.test.support.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import type { Outcome } from '../resilience/outcome.js'

/** A restriction but for its reason. */
type Said = Restriction extends infer R ? (R extends Restriction ? Omit<R, 'reason'> : never) : never

/** An endpoint with judges of the test's, and all that is told of its availability. */
class Rig {
  readonly clock = new ManualClock()
  readonly changes: string[] = []
  readonly endpoint: Endpoint

  constructor(options: Partial<EndpointDependencies> = {}) {
    this.endpoint = new Endpoint(instanceAt('http://10.0.0.1:80'), 30, -1, {
      createTransport: () => new HeldTransport(),
      makeBreaker: undefined,
      judges: [],
      onObserverFailed: () => undefined,
      classifier: new Classifier(),
      onAvailability: (_, { state, reason }) => void this.changes.push(`${state}: ${String(reason)}`),
      loop: new LoopWatch(this.clock),
      clock: this.clock,
      ...options,
    })
  }

  restrict(reason: string, more: { until?: number; kind?: 'load' } = {}): void {
    this.endpoint.restrict({ ...this.#about(reason), state: 'unavailable', ...more })
  }

  probe(reason: string, busy: boolean): void {
    this.endpoint.restrict({ ...this.#about(reason), state: 'probing', busy })
  }

  #about(reason: string): Pick<Restriction, 'reason' | 'kind' | 'since' | 'until'> {
    return { reason, kind: 'health', since: this.clock.now(), until: undefined }
  }
}

test('unavailable for as long as any reason lasts, and back in use with the end of the last', async () => {
  const rig = new Rig()
  const { clock, changes, endpoint } = rig
  await clock.advance(1000)
  expect([endpoint.available, endpoint.availability]).toEqual([true, AVAILABLE])
  rig.restrict('ejected', { until: 5000 })
  await clock.advance(1000)
  rig.restrict('circuit_open', { until: 9000 })
  expect(endpoint.available).toBe(false)
  // Of two reasons the one that lasts longer is the one to tell.
  expect(endpoint.availability).toEqual({
    state: 'unavailable',
    reason: 'circuit_open',
    kind: 'health',
    since: 2000,
    until: 9000,
  })
  endpoint.lift('circuit_open')
  expect(endpoint).toMatchObject({ available: false, usableSince: -1 })
  expect(endpoint.availability).toMatchObject({ reason: 'ejected', since: 1000, until: 5000 })
  await clock.advance(1000)
  endpoint.lift('ejected')
  expect(endpoint).toMatchObject({ available: true, usableSince: 3000 })
  expect(endpoint.availability).toMatchObject({ state: 'available', reason: undefined })
  expect(changes).toEqual([
    'unavailable: ejected',
    'unavailable: circuit_open',
    'unavailable: ejected',
    'available: undefined',
  ])
})

test('what is said again is no news, and what was never said cannot be lifted', () => {
  const rig = new Rig()
  rig.restrict('ejected')
  rig.restrict('ejected', { until: 7 })
  rig.probe('ejected', false)
  rig.probe('ejected', true)
  rig.endpoint.lift('draining')
  expect(rig.changes).toEqual(['unavailable: ejected', 'probing: ejected'])
})

test('a probe that is under way keeps other requests away, without being told', () => {
  const rig = new Rig()
  rig.probe('circuit_open', false)
  expect(rig.endpoint.available).toBe(true)
  rig.probe('circuit_open', true)
  expect(rig.endpoint.available).toBe(false)
  expect(rig.changes).toHaveLength(1)
})

test('a panic for all requests sets every reason aside, and its end brings them back', () => {
  const rig = new Rig()
  rig.restrict('ejected')
  for (const [panic, available] of [
    ['unsafe', false],
    ['all', true],
    ['none', false],
  ] as const) {
    rig.endpoint.panic = panic
    expect([rig.endpoint.available, rig.endpoint.blocked]).toEqual([available, true])
  }
  rig.endpoint.panic = 'all'
  rig.restrict('circuit_open')
  expect(rig.endpoint.available).toBe(true)
})

test('whatever judges say in whatever order, it is available if and only if none of them blocks', () => {
  const reason = fc.constantFrom('circuit_open', 'ejected', 'draining')
  const step = fc.oneof(
    fc.record({ reason, state: fc.constantFrom('unavailable', 'probing', 'busy') }),
    fc.record({ lift: reason }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const rig = new Rig()
      const blocking = new Map<string, boolean>()
      for (const one of steps) {
        if ('lift' in one) {
          rig.endpoint.lift(one.lift)
          blocking.delete(one.lift)
        } else {
          if (one.state === 'unavailable') rig.restrict(one.reason)
          else rig.probe(one.reason, one.state === 'busy')
          blocking.set(one.reason, one.state !== 'probing')
        }
        expect(rig.endpoint.available).toBe(![...blocking.values()].includes(true))
        expect(rig.endpoint.availability.reason === undefined).toBe(blocking.size === 0)
      }
    }),
  )
})

describe('judges', () => {
  test('each is made for the first request, hears of every outcome, and ends with its endpoint', async () => {
    const heard: (Outcome | 'made' | 'closed')[] = []
    const judge: JudgeFactory = () => {
      heard.push('made')
      return {
        record: (outcome) => void heard.push(outcome),
        close: () => void heard.push('closed'),
      }
    }
    const { endpoint } = new Rig({ judges: [judge] })
    expect(heard).toEqual([])
    const outcomes = ['success', 'remote_failure', 'overloaded'] as const
    for (const outcome of outcomes) {
      const lease = endpoint.lease(0)
      lease?.outcome(outcome, 0)
      lease?.end(0)
    }
    endpoint.lease(0)?.end(0)
    await endpoint.destroy(new Error('over'))
    expect(heard).toEqual(['made', ...outcomes, 'ignored', 'closed'])
    expect(endpoint).toMatchObject({ requests: 4, failures: 1, inflight: 0 })
  })

  test('one that ejects after failures is a file and a line of wiring', () => {
    const ejecting: JudgeFactory = (endpoint: Judged) => ({
      record(outcome, now) {
        if (outcome === 'remote_failure') {
          endpoint.restrict({
            reason: 'ejected',
            kind: 'health',
            state: 'unavailable',
            since: now,
            until: now + 30_000,
          })
        }
      },
      close: () => undefined,
    })
    const { endpoint, changes } = new Rig({ judges: [ejecting] })
    const lease = endpoint.lease(0)
    lease?.outcome('remote_failure', 0)
    lease?.end(0)
    expect(endpoint.available).toBe(false)
    expect(changes).toEqual(['unavailable: ejected'])
  })
})

describe('of several reasons the one told is', () => {
  const about = { kind: 'health', since: 0 } as const
  const unavailable = (until: number | undefined, kind: Restriction['kind'] = 'health'): Said => ({
    ...about,
    kind,
    state: 'unavailable',
    until,
  })
  const probing = (until: number | undefined, busy = false): Said => ({
    ...about,
    state: 'probing',
    busy,
    until,
  })

  test.each<[string, Said, Said]>([
    ['what makes it unavailable, before a probe that takes longer', unavailable(5), probing(9)],
    ['what makes it unavailable, before a probe without an end', unavailable(5), probing(undefined)],
    ['what makes it unavailable, before a probe of one that is sick', unavailable(5, 'load'), probing(9)],
    ['its health, before a load that lasts longer', unavailable(5), unavailable(9, 'load')],
    ['what has no known end', unavailable(undefined), unavailable(9)],
    ['the probe that is under way', probing(5, true), probing(9)],
    ['the probe that takes longer', probing(9), probing(5)],
  ])('%s', (_name, told, other) => {
    for (const order of [
      [told, other],
      [other, told],
    ]) {
      const { endpoint } = new Rig()
      for (const one of order) endpoint.restrict({ reason: one === told ? 'told' : 'other', ...one })
      const { state, kind, until } = told
      expect(endpoint.availability).toMatchObject({ reason: 'told', state, kind, until })
    }
  })
})
