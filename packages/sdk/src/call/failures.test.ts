import { describe, expect, test } from 'vitest'
import { RemovalGovernor } from '../cluster/removal-governor.js'
import type { BreakerFactory } from '../resilience/breaker.js'
import { answer, CallRig, THREE, type OptionalParts } from './call.test.support.js'

const [a, b, c] = THREE
const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

/** Makes endpoints unavailable, as a judge of theirs would. */
function eject(rig: CallRig, ...instances: (typeof a)[]): void {
  for (const instance of instances) {
    rig
      .endpoint(instance)
      .restrict({ reason: 'ejected', kind: 'health', state: 'unavailable', since: 0, until: undefined })
  }
}

describe('where no endpoint can be picked', () => {
  test.each(['GET', 'POST'] as const)('an empty set is the reason, of a %s', async (method) => {
    const rig = new CallRig()
    await rig.list([])
    const { error } = rig.send({ method })
    expect(error).toMatchObject({ code: 'NO_ENDPOINTS', service: 'orders', errors: [] })
    expect(error?.message).toBe(`orders has no endpoint: ${rig.cluster.whyEmpty()}`)
  })

  test('the deadline before the first set is another one', async () => {
    const rig = new CallRig({ timeoutMs: 100 })
    const call = rig.send()
    await rig.clock.advance(100)
    expect(call.error).toMatchObject({ code: 'NO_ENDPOINTS', service: 'orders' })
    expect(call.error?.message).toBe(`orders has no endpoint yet: ${rig.cluster.whyEmpty()}`)
  })

  test('a cluster that is closed before the first set ends the wait', async () => {
    const rig = new CallRig()
    const call = rig.send()
    await rig.cluster.close()
    await rig.settle()
    expect(call.error).toMatchObject({ code: 'CLIENT_CLOSED', service: 'orders' })
  })

  test('the endpoints that are unavailable are counted by reason', async () => {
    const rig = new CallRig()
    await rig.list()
    eject(rig, a, b, c)
    expect(rig.send().error).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'all 3 endpoints of orders are unavailable: ejected (3)',
      service: 'orders',
      errors: [],
    })
  })

  test('the error of a retry has the errors of the attempts before it', async () => {
    const rig = new CallRig()
    await rig.list()
    const call = rig.send()
    const failure = refused()
    eject(rig, a, b, c)
    rig.sentTo(a).onError(failure)
    await rig.settle()
    expect(call.error).toMatchObject({ code: 'UNAVAILABLE', errors: [failure] })
  })

  test('a retry that finds an empty set has them as well', async () => {
    const rig = new CallRig()
    await rig.list()
    const call = rig.send()
    await rig.list([])
    const failure = refused()
    rig.sentTo(a).onError(failure)
    await rig.settle()
    expect(call.error).toMatchObject({ code: 'NO_ENDPOINTS', service: 'orders', errors: [failure] })
  })
})

describe('where endpoints are retained', () => {
  const retaining = (): OptionalParts => ({
    governor: new RemovalGovernor({ share: 0.5, windowMs: 10_000, retainMs: 60_000, maxRetainMs: 600_000 }),
  })

  test('and no other is left, only idempotent requests are sent there', async () => {
    const rig = new CallRig({}, retaining())
    await rig.list()
    await rig.list([])
    const { error } = rig.send({ method: 'POST', path: '/v1' })
    expect(error).toMatchObject({ code: 'NO_ENDPOINTS', service: 'orders', errors: [] })
    expect(error?.message).toMatch(/^orders has no endpoint for POST \/v1: all 3 are retained /)
    for (const idempotent of [{ method: 'GET' }, { method: 'POST', idempotent: true }] as const) {
      const call = rig.send(idempotent)
      answer(rig.sentTo(rig.cluster.endpoints.find(({ inflight }) => inflight === 1)?.instance))
      expect(call.heard).toEqual(['head 200', 'complete'])
    }
  })

  test('and those that are listed are unavailable, a POST is told of both', async () => {
    const rig = new CallRig({}, retaining())
    await rig.list()
    await rig.list([THREE[0]].filter((one) => one !== undefined))
    eject(rig, a)
    const post = rig.send({ method: 'POST' })
    expect(post.error).toMatchObject({ code: 'UNAVAILABLE' })
    expect(post.error?.message).toMatch(
      /^all 1 endpoints of orders that discovery lists are unavailable: ejected \(1\); and 2 that are retained/,
    )
    // One of them less.
    eject(rig, b)
    await rig.settle()
    expect(rig.send({ method: 'POST' }).error?.message).toMatch(/; and 1 that are retained/)
  })

  test('and all are unavailable, the request makes no difference', async () => {
    const rig = new CallRig({}, retaining())
    await rig.list()
    eject(rig, a, b, c)
    await rig.list([THREE[0]].filter((one) => one !== undefined))
    for (const method of ['GET', 'POST'] as const) {
      expect(rig.send({ method }).error).toMatchObject({
        code: 'UNAVAILABLE',
        message: 'all 3 endpoints of orders are unavailable: ejected (3)',
      })
    }
  })
})

describe('where attempts fail', () => {
  test('the message counts more than one of them, and says what ended them', async () => {
    const rig = new CallRig({ retry: { attempts: 2 } })
    await rig.list(THREE.slice(0, 2))
    const call = rig.send({ path: '/v1' })
    const failures = [refused(), refused()]
    rig.sentTo(a).onError(failures[0] as Error)
    await rig.settle()
    rig.sentTo(b).onError(failures[1] as Error)
    expect(call.error).toMatchObject({
      code: 'ATTEMPTS_EXHAUSTED',
      message:
        'GET /v1 to orders at 10.0.0.1:2 failed after 2 attempts: connect ECONNREFUSED; not tried again: 2 attempts are the most',
      service: 'orders',
      endpoint: '10.0.0.1:2',
      errors: failures,
      cause: failures[1],
    })
  })

  test('a POST that was written is told why it was sent once', async () => {
    const rig = new CallRig()
    await rig.list()
    const call = rig.send({ method: 'POST' })
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onError(reset())
    expect(call.error?.message).toBe(
      'POST / to orders at 10.0.0.1:1 failed: read ECONNRESET; not tried again: POST is not idempotent and may have reached the endpoint',
    )
  })

  test('the limits of this machine are told by what to do about them', async () => {
    const rig = new CallRig({ retry: { attempts: 2 } })
    await rig.list()
    const call = rig.send()
    const exhausted = (): Error => Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' })
    rig.sentTo(a).onError(exhausted())
    await rig.settle()
    rig.sentTo(b).onError(exhausted())
    expect(call.error).toMatchObject({ code: 'OVERLOADED' })
    expect(call.error?.message).toMatch(/; this process has no file descriptor left: [^;]*$/)
  })

  test('with retry off the error is the transport’s own, and says where it happened', async () => {
    const rig = new CallRig({ retry: false })
    await rig.list()
    const call = rig.send()
    const failure = refused()
    rig.sentTo(a).onError(failure)
    await rig.settle()
    expect(call.error).toBe(failure)
    expect(failure).toMatchObject({ code: 'ECONNREFUSED', service: 'orders', endpoint: '10.0.0.1:1' })
    expect(rig.published).toContainEqual(
      expect.objectContaining({
        type: 'attempt:failed',
        final: { code: 'retries_off', text: 'retries are off (option retry)' },
      }),
    )
  })

  test('an error that cannot be extended is handed on as it is', async () => {
    const rig = new CallRig({ retry: false })
    await rig.list()
    const call = rig.send()
    const failure = Object.freeze(refused())
    rig.sentTo(a).onError(failure)
    expect(call.error).toBe(failure)
  })
})

describe('a circuit that has opened since the pick', () => {
  /** Looks available, and refuses. */
  const refusing: BreakerFactory = () => ({
    state: 'closed',
    available: true,
    acquire: () => 0,
    record: () => undefined,
    hasten: () => undefined,
    close: () => undefined,
  })

  test('sends the request elsewhere, a POST as well', async () => {
    let made = 0
    const passing: BreakerFactory = (...about) => ({ ...refusing(...about), acquire: () => 1 })
    const makeBreaker: BreakerFactory = (...about) => (made++ === 0 ? refusing : passing)(...about)
    const rig = new CallRig({ retry: { budgetRatio: 0, budgetMinPerSecond: 0 } }, { makeBreaker })
    await rig.list()
    const call = rig.send({ method: 'POST' })
    await rig.settle()
    answer(rig.sentTo(b))
    expect(call.heard).toEqual(['head 200', 'complete'])
    expect(rig.transports.get(a?.origin ?? '')?.sent ?? []).toEqual([])
  })

  test('is the error where it is the last', async () => {
    const rig = new CallRig({ retry: false }, { makeBreaker: refusing })
    await rig.list()
    expect(rig.send().error).toMatchObject({
      code: 'UNAVAILABLE',
      message: 'the circuit of orders at 10.0.0.1:1 is open',
      service: 'orders',
      endpoint: '10.0.0.1:1',
    })
  })
})
