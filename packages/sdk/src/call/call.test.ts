import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import type { Balancer } from '../balance/picker.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { TransportRequest } from '../transport/transport.js'
import { answer, CallRig, Outcomes, THREE } from './call.test.support.js'

const [a, b, c] = THREE
const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
const refused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })

/** Connects, and breaks off. */
function breakOff(request: TransportRequest): void {
  request.onConnect(() => undefined)
  request.onError(reset())
}

async function listed(...about: ConstructorParameters<typeof CallRig>): Promise<CallRig> {
  const rig = new CallRig(...about)
  await rig.list()
  return rig
}

describe('a stream as a body', () => {
  const stream = (): Readable => Readable.from([])

  /** Sends it as undici would. */
  function upload(request: TransportRequest, ...chunks: string[]): void {
    request.onConnect(() => undefined)
    for (const chunk of chunks) request.onBodySent?.(chunk)
    request.onRequestSent?.()
  }

  test('that was sent to its end is sent again as what was read of it', async () => {
    const rig = await listed({ retry: { attempts: 3 } })
    const call = rig.send({ method: 'PUT', body: stream() })
    upload(rig.sentTo(a), 'so', 'me')
    rig.sentTo(a).onError(reset())
    await rig.settle()
    expect(rig.sentTo(b).options.body).toEqual(Buffer.from('some'))
    // And once more: by now it is a body that can be read twice.
    breakOff(rig.sentTo(b))
    await rig.settle()
    expect(rig.sentTo(c).options.body).toEqual(Buffer.from('some'))
    answer(rig.sentTo(c))
    expect(call.heard).toEqual(['head 200', 'complete'])
  })

  test('that was cut is not', async () => {
    const rig = await listed()
    const call = rig.send({ method: 'PUT', body: stream() })
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onBodySent?.('so')
    rig.sentTo(a).onError(reset())
    await rig.settle()
    expect(call.error?.message).toContain('its body is a stream that was cut')
  })

  test('of a POST is not kept', async () => {
    const rig = await listed()
    const call = rig.send({ method: 'POST', body: stream() })
    upload(rig.sentTo(a), 'some')
    rig.sentTo(a).onError(reset())
    await rig.settle()
    expect(call.error?.message).toContain('POST is not idempotent')
  })

  test('moves the deadline with each chunk, until there is a response', async () => {
    const rig = await listed({ timeoutMs: 100 })
    const call = rig.send({ method: 'PUT', body: stream() })
    rig.sentTo(a).onConnect(() => undefined)
    for (let n = 0; n < 3; n++) {
      await rig.clock.advance(99)
      rig.sentTo(a).onBodySent?.('more')
    }
    await rig.clock.advance(99)
    rig.sentTo(a).onHeaders(200, [], () => undefined, '')
    rig.sentTo(a).onBodySent?.('and more')
    await rig.clock.advance(1000)
    expect(call.heard).toEqual(['head 200'])
  })

  test('that makes no progress ends with the deadline', async () => {
    const rig = await listed({ timeoutMs: 100 })
    const call = rig.send({ method: 'PUT', body: stream() })
    rig.sentTo(a).onConnect(() => undefined)
    await rig.clock.advance(50)
    rig.sentTo(a).onBodySent?.('some')
    await rig.clock.advance(99)
    expect(call.heard).toEqual([])
    await rig.clock.advance(1)
    expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })
})

test('a body that is text does not move the deadline', async () => {
  const rig = await listed({ timeoutMs: 100 })
  const call = rig.send({ method: 'PUT', body: 'some' })
  rig.sentTo(a).onConnect(() => undefined)
  await rig.clock.advance(50)
  rig.sentTo(a).onBodySent?.('some')
  rig.sentTo(a).onRequestSent?.()
  await rig.clock.advance(50)
  expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
})

describe('the deadline', () => {
  test('is told with what the request waited for, and the attempts before it', async () => {
    const rig = await listed({ timeoutMs: 100 })
    const call = rig.send({ path: '/v1' })
    const failure = refused()
    rig.sentTo(a).onError(failure)
    await rig.settle()
    rig.sentTo(b).onConnect(() => undefined)
    rig.sentTo(b).carrier = {}
    await rig.clock.advance(100)
    expect(call.error).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: 'GET /v1 to orders at 10.0.0.1:2 has no response after 100 ms (option timeoutMs), attempt 2',
      service: 'orders',
      endpoint: '10.0.0.1:2',
      errors: [failure],
    })
    // That one had the request all the time, and has failed.
    expect(rig.endpoint(b)).toMatchObject({ failures: 1, inflight: 0 })
  })

  test('is for the head, and leaves no timer behind', async () => {
    const rig = await listed({ timeoutMs: 100 })
    const call = rig.send()
    const { pending } = rig.clock
    rig.sentTo(a).onConnect(() => undefined)
    rig.sentTo(a).onHeaders(200, [], () => undefined, '')
    expect(rig.clock.pending).toBe(pending - 1)
    await rig.clock.advance(1000)
    rig.sentTo(a).onComplete([])
    expect(call.heard).toEqual(['head 200', 'complete'])
  })

  test('after discovery has answered is no word on discovery', async () => {
    const rig = new CallRig({ timeoutMs: 100 })
    const call = rig.send()
    await rig.list()
    await rig.clock.advance(100)
    expect(call.error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })
})

describe('the filter of responses', () => {
  const filtering = (): { rig: Promise<CallRig>; seen: unknown[] } => {
    const seen: unknown[] = []
    const rig = listed(
      {},
      {
        filter: (response, request, endpoint) => {
          seen.push([response.join(), request, endpoint.address])
          return [Buffer.from('filtered')]
        },
      },
    )
    return { rig, seen }
  }

  /** Notes headers as well. */
  class Heads extends Outcomes {
    readonly heads: string[] = []

    override onHeaders(statusCode: number, headers: Buffer[] = []): boolean {
      this.heads.push(`${statusCode} ${headers.join()}`)
      return super.onHeaders(statusCode)
    }
  }

  test('sees the head of a final response once, with the request’s headers, and not an interim one', async () => {
    const { rig: made, seen } = filtering()
    const rig = await made
    const handler = new Heads()
    rig.send({ headers: { cookie: 'a=b' } }, handler)
    const request = rig.sentTo(a)
    request.onConnect(() => undefined)
    request.onHeaders(103, [Buffer.from('early')], () => undefined, '')
    request.onHeaders(200, [Buffer.from('late')], () => undefined, '')
    expect(handler.heads).toEqual(['103 early', '200 filtered'])
    expect(seen).toEqual([['late', { cookie: 'a=b' }, '10.0.0.1:1']])
  })
})

test('an interim response does not end retries', async () => {
  const rig = await listed()
  const call = rig.send()
  rig.sentTo(a).onConnect(() => undefined)
  rig.sentTo(a).onHeaders(100, [], () => undefined, '')
  rig.sentTo(a).onError(reset())
  await rig.settle()
  answer(rig.sentTo(b))
  expect(call.heard).toEqual(['head 100', 'head 200', 'complete'])
})

test('a body that breaks off is told by its own error, and is not tried again', async () => {
  const rig = await listed()
  const call = rig.send()
  const failure = reset()
  rig.sentTo(a).onConnect(() => undefined)
  rig.sentTo(a).onHeaders(200, [], () => undefined, '')
  rig.sentTo(a).onError(failure)
  await rig.settle()
  expect([call.heard, call.error]).toEqual([['head 200', 'error'], failure])
  expect(rig.transports.get(b?.origin ?? '')).toBeUndefined()
})

describe('aborting', () => {
  test.each([
    ['gives the reason', new Error('enough')],
    ['gives undici’s error where there is no reason', undefined],
  ])('%s, and blames no endpoint', async (_name, reason) => {
    const rig = await listed()
    const call = rig.send()
    rig.sentTo(a).onConnect(() => undefined)
    call.abort?.(reason)
    if (reason === undefined) expect(call.error).toBeInstanceOf(errors.RequestAbortedError)
    else expect(call.error).toBe(reason)
    expect(rig.endpoint(a)).toMatchObject({ failures: 0, inflight: 0 })
    expect(rig.transports.get(a?.origin ?? '')?.released).toEqual(['cancelled'])
  })

  test('a call that waits for discovery ends it, and lets go of the wait', async () => {
    const rig = new CallRig()
    const call = rig.send()
    const { pending } = rig.clock
    call.abort?.()
    await rig.settle()
    expect(call.heard).toEqual(['error'])
    expect(rig.clock.pending).toBeLessThan(pending)
    await rig.list()
    expect([call.heard, rig.inflight]).toEqual([['error'], [0, 0, 0]])
  })

  test('between two attempts leaves none to come', async () => {
    const rig = await listed()
    const call = rig.send()
    rig.sentTo(a).onError(refused())
    call.abort?.()
    await rig.settle()
    expect([call.heard, rig.inflight]).toEqual([['error'], [0, 0, 0]])
  })
})

describe('what a balancer is given', () => {
  /** Goes by the hash of a request, which it notes. */
  function hashing(): { balancer: Balancer; hashes: (readonly [number, number] | undefined)[] } {
    const hashes: (readonly [number, number] | undefined)[] = []
    const noted = (hash: KeyHash | undefined): readonly [number, number] | undefined =>
      hash === undefined ? undefined : [hash.high, hash.low]
    const balancer: Balancer = (endpoints) => ({
      pick: ({ tried, hash }) => {
        hashes.push(noted(hash))
        return endpoints.find((endpoint) => !tried.includes(endpoint))
      },
    })
    return { balancer, hashes }
  }

  test('is the hash of the key, the same for all attempts, and none without a key', async () => {
    const { balancer, hashes } = hashing()
    const rig = await listed({ balancer })
    rig.send({ hashKey: 'one' })
    rig.sentTo(a).onError(refused())
    await rig.settle()
    rig.send({ hashKey: 'two' })
    rig.send()
    const [first, retried, other, none] = hashes
    expect(retried).toEqual(first)
    expect(first).not.toEqual([0, 0])
    expect(other).not.toEqual(first)
    expect([hashes.length, none]).toEqual([4, undefined])
  })

  test('is what has been tried, each endpoint once', async () => {
    const tried: number[] = []
    const balancer: Balancer = ([only]) => ({
      pick: (context) => {
        tried.push(context.tried.length)
        return only
      },
    })
    const rig = await listed({ balancer, retry: { attempts: 3 } })
    rig.send()
    for (let n = 0; n < 2; n++) {
      rig.sentTo(a).onError(refused())
      // The same endpoint again: only after a pause, and by a pick of that time.
      await rig.clock.advance(250)
    }
    expect(tried).toEqual([0, 1, 1, 1, 1])
  })

  test('is when the attempt began, in whole milliseconds', async () => {
    const times: number[] = []
    const balancer: Balancer = (endpoints) => ({
      pick: ({ tried, now }) => {
        times.push(now)
        return endpoints.find((endpoint) => !tried.includes(endpoint))
      },
    })
    const rig = await listed({ balancer })
    const before = rig.clock.now()
    await rig.clock.advance(0.75)
    rig.send()
    await rig.clock.advance(50)
    rig.sentTo(a).onError(refused())
    await rig.settle()
    expect(times).toEqual([Math.floor(before + 0.75), Math.floor(before + 50.75)])
  })
})
