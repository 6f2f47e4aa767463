import fc from 'fast-check'
import { expect, test } from 'vitest'
import { HeldTransport } from '../endpoint/attempt.test.support.js'
import { Classifier } from '../endpoint/classify.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { Events } from '../observe/events.js'
import { Deadlines } from '../resilience/deadline.js'
import { ONE_ATTEMPT } from '../resilience/retry-options.js'
import type { Outcome } from '../resilience/outcome.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import { ManualClock } from '../testing/index.js'
import { Call } from './call.js'
import type { CallOwner } from './call-owner.js'
import { Outcomes, THREE } from './call.test.support.js'
import { PolicyResolver } from './policy.js'

/** A call with any number of attempts at once, as hedging has them, each on an endpoint of its own. */
class Rig implements CallOwner {
  readonly clock = new ManualClock()
  readonly outcomes: Outcome[][] = THREE.map(() => [])
  readonly transports = THREE.map(() => new HeldTransport())
  readonly endpoints: readonly Endpoint[]
  readonly caller = new Outcomes()
  readonly call: Call
  ends = 0

  constructor() {
    const { clock } = this
    const events = new Events()
    const loop = new LoopWatch(clock)
    this.endpoints = THREE.map(
      (instance, place) =>
        new Endpoint(instance, 30, 0, {
          createTransport: () => this.transports[place] as HeldTransport,
          makeBreaker: undefined,
          judges: [
            () => ({
              record: (outcome) => void this.outcomes[place]?.push(outcome),
              close: () => undefined,
            }),
          ],
          onObserverFailed: () => undefined,
          classifier: new Classifier(),
          onAvailability: () => undefined,
          loop,
          clock,
        }),
    )
    const policy = new PolicyResolver(
      {
        service: 'orders',
        balancer: undefined,
        hashOn: [],
        timeoutMs: 100,
        connections: { connectTimeoutMs: 100 },
        given: { timeoutMs: true, connectTimeoutMs: true },
        retry: { ...ONE_ATTEMPT, attempts: 3, attemptHeader: undefined },
        hedge: undefined,
        routes: [],
      },
      events,
    )
    const dependencies = {
      service: 'orders',
      owner: this,
      policy,
      filter: undefined,
      deadlineHeaders: undefined,
      events,
      clock,
    }
    const options = { method: 'GET', path: '/' } as const
    this.call = new Call(
      dependencies,
      policy.current,
      options,
      new Deadlines(100, clock),
      this.caller,
      undefined,
    )
    this.call.begin()
  }

  /** As execution does it: the next one, or the end where none is left. */
  attemptFailed(call: Call, failed: Parameters<CallOwner['attemptFailed']>[1]): void {
    call.note(failed)
    if (!call.isAttempting()) call.cancel(failed.error)
  }

  admitted(): void {
    throw new Error('there is no queue')
  }

  isReplaced(): boolean {
    return false
  }

  attemptStalled(): void {}

  ended(): void {
    this.ends++
  }

  begin(place: number): void {
    const endpoint = this.endpoints[place]
    if (
      endpoint === undefined ||
      this.call.ended ||
      this.call.committed ||
      this.transports[place]?.sent.length === 1
    )
      return
    this.call.avoidPending()
    expect(this.call.tried).not.toContain(endpoint)
    expect(this.call.attempt(endpoint)).toBe(true)
  }
}

const place = fc.nat(2)
const event = fc.constantFrom(
  'begin',
  'begin',
  'connect',
  'head 100',
  'head 200',
  'head 503',
  'data',
  'complete',
  'error',
)
const step = fc.oneof(
  { weight: 12, arbitrary: fc.record({ place, event }) },
  { weight: 1, arbitrary: fc.constant('abort' as const) },
  { weight: 1, arbitrary: fc.constant('deadline' as const) },
)

test('in flight is conserved, each attempt has one outcome, and the caller one answer, of one attempt', async () => {
  let answered = 0
  let cancelled = 0
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
      const rig = new Rig()
      const over = new Set<number>()
      let head: number | undefined
      for (const one of steps) {
        if (one === 'abort') rig.caller.abort?.()
        else if (one === 'deadline') await rig.clock.advance(100)
        else if (one.event === 'begin') rig.begin(one.place)
        else {
          const request = rig.transports[one.place]?.sent[0]
          // undici makes no callback after the last.
          if (request === undefined || over.has(one.place)) continue
          const before = rig.caller.heard.length
          if (one.event === 'connect') request.onConnect(() => undefined)
          // A body comes behind its head, and there is one of these.
          if (one.event.startsWith('head') && head !== one.place) {
            const statusCode = Number(one.event.slice(5))
            request.onHeaders(statusCode, [], () => undefined, '')
            if (statusCode >= 200 && rig.caller.heard.length > before) head = one.place
          }
          if (one.event === 'data' && head === one.place) request.onData(Buffer.from(String(one.place)))
          if (one.event === 'complete' && head === one.place) {
            over.add(one.place)
            request.onComplete([])
          }
          if (one.event === 'error') {
            over.add(one.place)
            request.onError(new Error('reset'))
          }
        }
        const inflight = rig.endpoints.map((endpoint) => endpoint.inflight)
        for (const count of inflight) expect([0, 1]).toContain(count)
        // Once there is a head, only its attempt goes on.
        if (head !== undefined) {
          const others = inflight.filter((_, at) => at !== head)
          expect(others).toEqual([0, 0])
        }
        if (rig.call.ended) expect(inflight).toEqual([0, 0, 0])
      }
      const { heard } = rig.caller
      const heads = heard.filter((word) => word.startsWith('head') && word !== 'head 100')
      const ends = heard.filter((word) => word === 'complete' || word === 'error')
      expect(heads.length).toBeLessThanOrEqual(1)
      expect(ends.length).toBe(rig.call.ended ? 1 : 0)
      expect(rig.ends).toBe(rig.call.ended ? 1 : 0)
      // All data is of the attempt whose head it was.
      expect(new Set(heard.filter((word) => word.startsWith('data'))).size).toBeLessThanOrEqual(1)
      for (const [at, outcomes] of rig.outcomes.entries()) {
        const sent = rig.transports[at]?.sent.length ?? 0
        const open = rig.endpoints[at]?.inflight ?? 0
        expect(outcomes.length).toBeLessThanOrEqual(sent)
        if (open === 0) expect(outcomes.length).toBe(sent)
        expect(rig.transports[at]?.released.length).toBe(sent - open)
      }
      answered += heads.length
      cancelled += rig.transports.filter(({ released }) => released.includes('cancelled')).length
    }),
    { numRuns: 500 },
  )
  // The scripts do reach what this is about.
  expect(answered).toBeGreaterThan(10)
  expect(cancelled).toBeGreaterThan(10)
})
