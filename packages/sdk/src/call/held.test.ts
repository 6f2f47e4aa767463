import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ClientOptions } from '../client-options.js'
import type { TransportRequest } from '../transport/transport.js'
import { answer, CallRig, Outcomes, THREE } from './call.test.support.js'
import type { CallOptions } from './call-options.js'
import { contentLengthOf, HeldResponse } from './held-response.js'

const [a, b] = THREE

async function listed(options: ClientOptions = {}): Promise<CallRig> {
  const rig = new CallRig(options)
  await rig.list()
  return rig
}

function head(request: TransportRequest, length: number | undefined, resume = (): void => undefined): void {
  request.onConnect(() => undefined)
  request.onRequestSent?.()
  const headers = length === undefined ? [] : ['Content-Length', String(length)]
  request.onHeaders(
    200,
    headers.map((each) => Buffer.from(each)),
    resume,
    '',
  )
}

const cut = (): Error => new Error('other side closed')

test('a response that breaks off before the first byte of its body is asked for elsewhere', async () => {
  const rig = await listed()
  const caller = rig.send()
  head(rig.sentTo(a), 5)
  expect(caller.heard).toEqual([])
  rig.sentTo(a).onError(cut())
  await rig.settle()
  head(rig.sentTo(b), 5)
  rig.sentTo(b).onData(Buffer.from('whole'))
  rig.sentTo(b).onComplete([])
  expect(caller.heard).toEqual(['head 200', 'data whole', 'complete'])
  expect(rig.inflight).toEqual([0, 0, 0])
})

test('with its first byte it is handed on, and what breaks off after that is the caller’s', async () => {
  const rig = await listed()
  const caller = rig.send()
  head(rig.sentTo(a), 5)
  rig.sentTo(a).onData(Buffer.from('wh'))
  rig.sentTo(a).onError(cut())
  await rig.settle()
  expect(caller.heard).toEqual(['head 200', 'data wh', 'error'])
  expect(rig.transports.get(b?.origin ?? '')).toBeUndefined()
})

test('by option one of known small length is held until it is whole', async () => {
  const rig = await listed({ retry: { holdBytes: 5, attempts: 3 } })
  const caller = rig.send()
  head(rig.sentTo(a), 5)
  rig.sentTo(a).onData(Buffer.from('who'))
  rig.sentTo(a).onError(cut())
  await rig.settle()
  head(rig.sentTo(b), 5)
  rig.sentTo(b).onData(Buffer.from('who'))
  rig.sentTo(b).onData(Buffer.from('le'))
  expect(caller.heard).toEqual([])
  rig.sentTo(b).onComplete([])
  expect(caller.heard).toEqual(['head 200', 'data who', 'data le', 'complete'])
})

test.each([
  ['is longer than that', {}, { retry: { holdBytes: 4 } }, 5, ['head 200', 'data who']],
  ['has no length', {}, { retry: { holdBytes: 9 } }, undefined, ['head 200', 'data who']],
] as [string, Partial<CallOptions>, ClientOptions, number | undefined, string[]][])(
  'one that %s is not',
  async (_, request, options, length, heard) => {
    const rig = await listed(options)
    const caller = rig.send(request)
    head(rig.sentTo(a), length)
    rig.sentTo(a).onData(Buffer.from('who'))
    expect(caller.heard).toEqual(heard)
  },
)

test.each([
  ['answers a POST', { method: 'POST', body: 'x' }, {}],
  ['answers a HEAD', { method: 'HEAD' }, {}],
  ['has no body', {}, {}, 0],
  ['comes when retries are off', {}, { retry: false }],
  ['has no length, as a stream of events', {}, {}, undefined],
] as [string, Partial<CallOptions>, ClientOptions, number?][])(
  'the head of one that %s is handed on at once',
  async (_, request, options, ...[length]) => {
    const rig = await listed(options)
    const caller = rig.send(request)
    head(rig.sentTo(a), _.includes('no length') ? undefined : (length ?? (_.includes('no body') ? 0 : 5)))
    expect(caller.heard).toEqual(['head 200'])
  },
)

test('the last attempt has nothing to be held for', async () => {
  const rig = await listed()
  const caller = rig.send()
  rig.sentTo(a).onConnect(() => undefined)
  rig.sentTo(a).onError(cut())
  await rig.settle()
  head(rig.sentTo(b), 5)
  expect(caller.heard).toEqual(['head 200'])
})

test('the deadline is for the head: one that is held by then is handed on', async () => {
  const rig = await listed({ timeoutMs: 100, retry: { holdBytes: 9 } })
  const caller = rig.send()
  head(rig.sentTo(a), 5)
  rig.sentTo(a).onData(Buffer.from('who'))
  await rig.clock.advance(200)
  expect(caller.heard).toEqual(['head 200', 'data who'])
  rig.sentTo(a).onData(Buffer.from('le'))
  rig.sentTo(a).onComplete([])
  expect(caller.heard).toEqual(['head 200', 'data who', 'data le', 'complete'])
})

test('a caller that aborts while it is held hears of that, and the attempt is cancelled', async () => {
  const rig = await listed({ retry: { holdBytes: 9 } })
  const caller = rig.send()
  head(rig.sentTo(a), 5)
  rig.sentTo(a).onData(Buffer.from('who'))
  caller.abort?.()
  expect(caller.heard).toEqual(['error'])
  expect(rig.inflight).toEqual([0, 0, 0])
})

/** A caller that pauses at will. */
class Pausing extends Outcomes {
  paused = false
  resume: (() => void) | undefined

  override onHeaders(statusCode: number, _headers?: Buffer[], resume?: () => void): boolean {
    super.onHeaders(statusCode)
    this.resume = resume
    return !this.paused
  }

  override onData(chunk: Buffer): boolean {
    super.onData(chunk)
    return !this.paused
  }
}

test('a caller that pauses gets the rest when it goes on, and the connection is paused as long', async () => {
  const rig = await listed()
  const caller = new Pausing()
  caller.paused = true
  rig.send({}, caller)
  let resumed = 0
  head(rig.sentTo(a), 5, () => resumed++)
  expect(rig.sentTo(a).onData(Buffer.from('who'))).toBe(false)
  expect(caller.heard).toEqual(['head 200'])
  caller.paused = false
  caller.resume?.()
  expect(resumed).toBe(1)
  expect(rig.sentTo(a).onData(Buffer.from('le'))).toBe(true)
  rig.sentTo(a).onComplete([])
  expect(caller.heard).toEqual(['head 200', 'data who', 'data le', 'complete'])
})

test('one that is whole is read at the pace of its caller, in any order of pauses', () => {
  const chunks = fc.array(fc.string({ minLength: 1, maxLength: 3 }), { maxLength: 6 })
  fc.assert(
    fc.property(chunks, fc.array(fc.boolean(), { maxLength: 8 }), (pieces, pauses) => {
      const heard: string[] = []
      const script = [...pauses]
      let paused = false
      const goOn = (): boolean => {
        paused = script.shift() ?? false
        return !paused
      }
      let resume: () => void = () => undefined
      const held = new HeldResponse('the first', 200, [], () => undefined, '', true)
      for (const piece of pieces) held.add(Buffer.from(piece))
      held.complete([Buffer.from('trailer')])
      const reader = {
        ended: false,
        headOf: (_: string, headers: Buffer[]): Buffer[] => headers,
        tellHead: (status: number, _: Buffer[], go: () => void): boolean => {
          heard.push(String(status))
          resume = go
          return goOn()
        },
        tellData: (chunk: Buffer): boolean => {
          expect(paused).toBe(false)
          heard.push(chunk.toString())
          return goOn()
        },
        heldEnd: (): void => void heard.push('end'),
      }
      held.release(reader)
      // As often as it may have paused; a reader may go on twice.
      for (let n = 0; n <= pauses.length; n++) {
        paused = false
        resume()
      }
      expect(heard).toEqual(['200', ...pieces, 'end'])
    }),
  )
})

test.each([
  [['Content-Length', '12'], 12],
  [['x', 'y', 'content-length', '7'], 7],
  [['CONTENT-LENGTH', '0'], 0],
  [['content-length', 'many'], 0],
  [['content-lengths', '5'], 0],
  [['content-length', '12 '], 12],
  [['content-length', 'five'], 0],
  [[], 0],
])('the length of %j is %i', (headers, length) => {
  expect(contentLengthOf(headers.map((each) => Buffer.from(each)))).toBe(length)
})

test('another attempt that is answered while one is held is cancelled', async () => {
  const rig = await listed({ hedge: { afterMs: 10 }, retry: { holdBytes: 9 } })
  const caller = rig.send()
  await rig.clock.advance(10)
  head(rig.sentTo(a), 5)
  head(rig.sentTo(b), 5)
  expect(rig.inflight).toEqual([1, 0, 0])
  rig.sentTo(a).onData(Buffer.from('whole'))
  rig.sentTo(a).onComplete([])
  expect(caller.heard).toEqual(['head 200', 'data whole', 'complete'])
  answer(rig.sentTo(b))
  expect(caller.heard).toHaveLength(3)
})
