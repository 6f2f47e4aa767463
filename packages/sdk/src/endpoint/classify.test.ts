import { Readable } from 'node:stream'
import { errors } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FairleadError } from '../errors.js'
import type { Outcome } from '../resilience/outcome.js'
import { ManualClock } from '../testing/index.js'
import { WatchedBody } from '../request/watched-body.js'
import { HeardAttempts, HeardEndpoint, HeldTransport } from './attempt.test.support.js'
import { Classifier, type Classify } from './classify.js'
import { HttpAttempt } from './http-attempt.js'

const raw = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))

describe('by default', () => {
  const classifier = new Classifier()

  test.each([
    [200, 'success'],
    [302, 'success'],
    [404, 'success'],
    [429, 'success'],
    [499, 'success'],
    [500, 'remote_failure'],
    [503, 'remote_failure'],
    [599, 'remote_failure'],
  ])('a head of %i: %s', (statusCode, outcome) => {
    expect(classifier.head(statusCode, []).outcome).toBe(outcome)
  })

  const reset = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  const notHttp = new errors.HTTPParserError('Response does not match the HTTP/1.1 protocol (Expected HTTP/)')
  const exhausted = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' })
  test.each([
    ['a reset', reset, 'local_failure', 'endpoint'],
    ['a refusal', Object.assign(new Error('no'), { code: 'ECONNREFUSED' }), 'local_failure', 'endpoint'],
    ['a head that is too large', new errors.HeadersOverflowError(), 'ignored', 'response'],
    ['a response that is not valid HTTP', new errors.HTTPParserError('x'), 'ignored', 'endpoint'],
    ['no HTTP at all', notHttp, 'local_failure', 'endpoint'],
    ['a request that undici refuses', new errors.InvalidArgumentError(), 'ignored', 'caller'],
    ['a Blob that cannot be read', new DOMException('gone'), 'ignored', 'caller'],
    [
      'a chunk that is neither text nor bytes',
      Object.assign(new TypeError('no'), { code: 'ERR_INVALID_ARG_TYPE' }),
      'ignored',
      'caller',
    ],
    ['no descriptor left', exhausted, 'ignored', 'process'],
    ["undici's client closed", new errors.ClientClosedError(), 'ignored', 'process'],
    ['our client closed', new FairleadError('CLIENT_CLOSED', 'closed'), 'ignored', 'process'],
  ])('%s', (_, error, outcome, fault) => {
    expect(classifier.error(error, undefined)).toMatchObject({ outcome, fault })
  })

  test('what this machine has run out of comes with advice, and nothing else does', () => {
    expect(classifier.error(exhausted, undefined).advice).toContain('ulimit -n')
    expect(classifier.error(reset, undefined).advice).toBeUndefined()
  })

  test("an error that the caller's own body has failed by is the caller's", () => {
    const body = new Readable({ read: () => undefined })
    body.on('error', () => undefined)
    body.destroy(reset)
    expect(classifier.error(reset, body).fault).toBe('caller')
    expect(classifier.error(reset, 'text').fault).toBe('endpoint')
    expect(classifier.error(reset, null).fault).toBe('endpoint')
  })

  test('as is one that its iterator threw', async () => {
    const body = new WatchedBody({
      [Symbol.iterator]() {
        throw reset
      },
    })
    expect(classifier.error(reset, body).fault).toBe('endpoint')
    await body[Symbol.asyncIterator]()
      .next()
      .catch(() => undefined)
    expect(classifier.error(reset, body).fault).toBe('caller')
  })
})

describe('by the option', () => {
  const by = (classify: Classify): Classifier => new Classifier(classify)

  test('each kind of answer is told by its name', () => {
    const seen: unknown[] = []
    const classifier = by((answer) => void seen.push(answer))
    const error = new Error('read ECONNRESET')
    classifier.head(503, raw('a', 'b'))
    classifier.trailers(raw('c', 'd'))
    classifier.error(error, undefined)
    expect(seen).toEqual([
      { kind: 'head', statusCode: 503, headers: { a: 'b' } },
      { kind: 'trailers', trailers: { c: 'd' } },
      { kind: 'error', error },
    ])
  })

  test('pending where nothing more is to come counts as undefined', () => {
    const classifier = by(() => 'pending')
    expect(classifier.head(200, []).outcome).toBe('pending')
    expect(classifier.trailers([])).toBe('success')
    expect(classifier.error(new Error('read ECONNRESET'), undefined).outcome).toBe('local_failure')
  })

  test('a head is shown with its headers, and what is undefined is left to the default', () => {
    const seen: unknown[] = []
    const classifier = by((answer) => {
      seen.push(answer)
      return answer.kind === 'head' && answer.statusCode === 404 ? 'remote_failure' : undefined
    })
    expect(classifier.head(404, raw('X-Reason', 'gone')).outcome).toBe('remote_failure')
    expect(classifier.head(200, []).outcome).toBe('success')
    expect(classifier.head(500, []).outcome).toBe('remote_failure')
    expect(seen[0]).toEqual({ kind: 'head', statusCode: 404, headers: { 'x-reason': 'gone' } })
  })

  test('an error is shown where it is not known to be of the caller or of this process', () => {
    let asked = 0
    const classifier = by(() => {
      asked++
      return 'ignored'
    })
    expect(classifier.error(new Error('reset'), undefined).outcome).toBe('ignored')
    expect(classifier.error(new errors.InvalidArgumentError(), undefined).fault).toBe('caller')
    expect(classifier.error(new errors.ClientClosedError(), undefined).fault).toBe('process')
    expect(asked).toBe(1)
  })

  test('what it throws counts as undefined, and is told', () => {
    const told: Error[] = []
    const classifier = new Classifier(
      () => {
        throw new Error('off by one')
      },
      (error) => told.push(error),
    )
    expect(classifier.head(503, []).outcome).toBe('remote_failure')
    expect(classifier.trailers([])).toBe('success')
    expect(classifier.error(new Error('reset'), undefined).outcome).toBe('local_failure')
    expect(told).toHaveLength(3)
  })

  test.each([
    ['failure', "'failure'"],
    [true, 'true'],
    [Promise.resolve('success'), 'Promise'],
  ])('what it returns that is no outcome counts as undefined, and is told: %s', (said, shown) => {
    const told: Error[] = []
    const classifier = new Classifier(
      () => said as Outcome,
      (error) => told.push(error),
    )
    expect(classifier.head(503, []).outcome).toBe('remote_failure')
    expect(classifier.trailers([])).toBe('success')
    expect(told).toHaveLength(2)
    expect(told[0]).toMatchObject({ code: 'INVALID_OPTION' })
    expect(told[0]?.message).toMatch(
      /^what classify returned is .*: it must be .*success, remote_failure, .* or undefined/,
    )
    expect(told[0]?.message).toContain(shown)
  })

  test('a promise of it that rejects is not left unhandled', async () => {
    const unhandled: unknown[] = []
    const hear = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', hear)
    onTestFinished(() => void process.off('unhandledRejection', hear))
    by((() => Promise.reject(new Error('no'))) as never).head(200, [])
    // Those of this turn are reported in the next one.
    await new Promise((resolve) => setImmediate(resolve))
    expect(unhandled).toEqual([])
  })

  test.each([
    ['0', 'success'],
    ['14', 'remote_failure'],
    ['8', 'overloaded'],
  ])('a pending head is decided by the trailers, as in gRPC: status %s', async (status, outcome) => {
    const clock = new ManualClock()
    const classifier = by((answer) => {
      if (answer.kind === 'head') return 'pending'
      if (answer.kind === 'error') return undefined
      const { 'grpc-status': code } = answer.trailers
      return code === '0' ? 'success' : code === '8' ? 'overloaded' : 'remote_failure'
    })
    const endpoint = new HeardEndpoint(clock, classifier)
    const attempt = new HttpAttempt(
      endpoint,
      new HeldTransport(),
      7,
      { method: 'POST', path: '/' },
      new HeardAttempts(),
      undefined,
      clock,
      clock.now(),
    )
    attempt.onConnect(() => undefined)
    await clock.advance(8)
    attempt.onHeaders(200, [], () => undefined, '')
    // The first answer is latency, whatever becomes of it.
    expect(endpoint.estimateUs(clock.now()) / 1000).toBe(8)
    expect(endpoint.outcomes).toEqual([])
    attempt.onComplete(raw('grpc-status', status))
    expect(endpoint.outcomes).toEqual([[7, outcome]])
    expect(endpoint.inflight).toBe(0)
  })
})
