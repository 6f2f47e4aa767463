import { describe, expect, test } from 'vitest'
import { errors } from 'undici'
import type { Outcome } from '../resilience/outcome.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import { HeardAttempts, HeardEndpoint, HeldTransport } from './attempt.test.support.js'
import { Classifier } from './classify.js'
import { Endpoint } from './endpoint.js'
import { HttpAttempt } from './http-attempt.js'

/** One attempt on an endpoint that is classified as told. */
class Rig {
  readonly clock = new ManualClock()
  readonly endpoint: HeardEndpoint
  readonly transport = new HeldTransport()
  readonly listener = new HeardAttempts()

  constructor(classifier?: Classifier) {
    this.endpoint = new HeardEndpoint(this.clock, classifier)
  }

  get estimateMs(): number {
    return this.endpoint.estimateUs(this.clock.now()) / 1000
  }

  begin(): HttpAttempt<HeardEndpoint> {
    const { endpoint, transport, listener, clock } = this
    const options = { method: 'GET', path: '/' } as const
    const attempt = new HttpAttempt(endpoint, transport, 7, options, listener, undefined, clock, clock.now())
    attempt.onConnect(() => undefined)
    return attempt
  }

  /** Ten answers after 5 ms: what the endpoint takes is settled. */
  async settle(): Promise<void> {
    for (let n = 0; n < 10; n++) await this.answer(5, 200)
  }

  async answer(afterMs: number, statusCode: number): Promise<void> {
    const attempt = this.begin()
    await this.clock.advance(afterMs)
    attempt.onHeaders(statusCode, [], () => undefined, '')
    attempt.onComplete([])
  }
}

const classifiedAs = (outcome: Outcome | 'pending'): Classifier =>
  new Classifier(({ kind }) => (kind === 'head' ? outcome : undefined))

describe('what an answer makes of the latency of its endpoint', () => {
  test.each(['success', 'ignored', 'pending'] as const)('%s: a sample of it', async (outcome) => {
    const rig = new Rig(classifiedAs(outcome))
    for (let n = 0; n < 10; n++) await rig.answer(5, 404)
    expect(rig.endpoint.settled).toBe(true)
    expect(rig.estimateMs).toBeCloseTo(5)
  })

  test.each(['overloaded', 'remote_failure'] as const)(
    '%s: a penalty, as it may come faster than work is done',
    async (outcome) => {
      const rig = new Rig()
      await rig.settle()
      const refusing = new Rig(classifiedAs(outcome))
      await refusing.answer(1, 429)
      expect(refusing.endpoint.settled).toBe(true)
      expect(refusing.estimateMs).toBeGreaterThan(rig.estimateMs * 4)
    },
  )
})

test('a stream that fails by its trailers costs its endpoint traffic, but its length is not its latency', async () => {
  const rig = new Rig(
    new Classifier(({ kind }) =>
      kind === 'head' ? 'pending' : kind === 'trailers' ? 'remote_failure' : undefined,
    ),
  )
  const attempt = rig.begin()
  await rig.clock.advance(5)
  attempt.onHeaders(200, [], () => undefined, '')
  await rig.clock.advance(60_000)
  const before = rig.estimateMs
  attempt.onComplete([])
  expect(rig.endpoint.outcomes).toEqual([[7, 'remote_failure']])
  expect(rig.estimateMs).toBeGreaterThan(before)
  expect(rig.estimateMs).toBeLessThan(100)
})

test('a response that is not valid HTTP costs its endpoint traffic, and says nothing of its health', async () => {
  const rig = new Rig()
  await rig.settle()
  const before = rig.estimateMs
  rig.begin().onError(new errors.HTTPParserError('invalid header'))
  expect(rig.endpoint.outcomes.at(-1)).toEqual([7, 'ignored'])
  expect(rig.estimateMs).toBeCloseTo(before * 4)
})

test('a transport that throws is an attempt that has failed, and is over', () => {
  const rig = new Rig()
  rig.transport.send = () => {
    throw new TypeError('Invalid URL')
  }
  const options = { method: 'GET', path: '/' } as const
  const attempt = new HttpAttempt(
    rig.endpoint,
    rig.transport,
    7,
    options,
    rig.listener,
    undefined,
    rig.clock,
    0,
  )
  attempt.send()
  expect(rig.listener.heard).toEqual(['error Invalid URL'])
  expect(rig.endpoint).toMatchObject({ inflight: 0, outcomes: [[7, 'local_failure']] })
})

test('an endpoint that was used by another protocol only ends its judges, which hear of no later outcome', async () => {
  const clock = new ManualClock()
  const heard: string[] = []
  const endpoint = new Endpoint(instanceAt('http://10.0.0.1:80'), 30, -1, {
    createTransport: () => new HeldTransport(),
    makeBreaker: undefined,
    judges: [
      () => ({ record: (outcome) => void heard.push(outcome), close: () => void heard.push('closed') }),
    ],
    classifier: new Classifier(),
    onAvailability: () => undefined,
    onObserverFailed: () => undefined,
    loop: new LoopWatch(clock),
    clock,
  })
  const lease = endpoint.lease(0)
  await endpoint.close()
  lease?.end(0)
  expect(heard).toEqual(['closed'])
  expect(endpoint.inflight).toBe(0)
})
