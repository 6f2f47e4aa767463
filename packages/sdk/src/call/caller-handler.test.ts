import { PassThrough, type Duplex } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { TransportRequest } from '../transport/transport.js'
import { CallRig, Outcomes, THREE } from './call.test.support.js'

const [a] = THREE

class Uploader extends Outcomes {
  onBodySent(chunk: Uint8Array | string): void {
    this.heard.push(`sent ${String(chunk)}`)
  }

  onRequestSent(): void {
    this.heard.push('sent all')
  }

  onResponseStarted(): void {
    this.heard.push('started')
  }
}

async function sent(handler: Outcomes): Promise<{ rig: CallRig; request: TransportRequest }> {
  const rig = new CallRig()
  await rig.list()
  rig.send({}, handler)
  const request = rig.sentTo(a)
  request.onConnect(() => undefined)
  return { rig, request }
}

describe('the optional callbacks', () => {
  const progress = (request: TransportRequest): void => {
    request.onBodySent?.('some')
    request.onRequestSent?.()
    request.onResponseStarted?.()
    request.onHeaders(200, [], () => undefined, '')
    request.onComplete([])
  }

  test('are made where there are any', async () => {
    const handler = new Uploader()
    const { request } = await sent(handler)
    progress(request)
    expect(handler.heard).toEqual(['sent some', 'sent all', 'started', 'head 200', 'complete'])
  })

  test('are not missed where there are none', async () => {
    const handler = new Outcomes()
    const { request } = await sent(handler)
    progress(request)
    expect(handler.heard).toEqual(['head 200', 'complete'])
  })

  test.each(['onBodySent', 'onRequestSent', 'onResponseStarted'] as const)(
    'end the call by what %s throws, and blame no endpoint',
    async (name) => {
      const handler = new Uploader()
      const fault = new Error(`thrown by ${name}`)
      handler[name] = () => {
        throw fault
      }
      const { rig, request } = await sent(handler)
      progress(request)
      expect([handler.heard.at(-1), handler.error]).toEqual(['error', fault])
      expect(rig.endpoint(a)).toMatchObject({ failures: 0, inflight: 0 })
    },
  )
})

describe('a switch of protocols', () => {
  class Upgrader extends Outcomes {
    socket: Duplex | undefined

    onUpgrade(statusCode: number, headers: Buffer[], socket: Duplex): void {
      this.heard.push(`upgrade ${statusCode} ${headers.join(' ')}`)
      this.socket = socket
    }
  }

  test('hands the socket over, ends the call, and counts in flight until the socket closes', async () => {
    const handler = new Upgrader()
    const { rig, request } = await sent(handler)
    const { pending } = rig.clock
    const socket = new PassThrough()
    request.onUpgrade?.(101, [Buffer.from('upgrade'), Buffer.from('x')], socket)
    expect(handler.heard).toEqual(['upgrade 101 upgrade x'])
    expect(handler.socket).toBe(socket)
    expect([rig.execution.active, rig.inflight]).toEqual([0, [1, 0, 0]])
    expect(rig.published).toContainEqual(
      expect.objectContaining({ type: 'attempt:answered', statusCode: 101, attempt: 1 }),
    )
    // The deadline was for the head.
    expect(rig.clock.pending).toBe(pending - 1)
    socket.destroy()
    await new Promise((resolve) => socket.once('close', resolve))
    expect(rig.inflight).toEqual([0, 0, 0])
  })

  test('is ignored once the call has been aborted', async () => {
    const handler = new Upgrader()
    const { request } = await sent(handler)
    handler.abort?.()
    request.onUpgrade?.(101, [], new PassThrough())
    expect(handler.heard).toEqual(['error'])
  })

  test('that a handler has no callback for is no error', async () => {
    const handler = new Outcomes()
    const { rig, request } = await sent(handler)
    request.onUpgrade?.(101, [], new PassThrough())
    expect([handler.heard, rig.execution.active]).toEqual([[], 0])
  })

  test.each([
    ['and tells who listens on it', true],
    ['and causes no uncaught error where there is no listener', false],
  ])('destroys the socket where the handler throws, %s', async (_name, listens) => {
    const handler = new Upgrader()
    const fault = new Error('thrown')
    const told: unknown[] = []
    handler.onUpgrade = (_statusCode, _headers, socket) => {
      if (listens) socket.on('error', (error) => told.push(error))
      throw fault
    }
    const { request } = await sent(handler)
    const socket = new PassThrough()
    request.onUpgrade?.(101, [], socket)
    await new Promise((resolve) => socket.once('close', resolve))
    expect(handler.error).toBe(fault)
    expect([socket.destroyed, socket.errored, told]).toEqual([
      true,
      listens ? fault : null,
      listens ? [fault] : [],
    ])
  })
})

test('what is thrown where nothing was, is an abort', async () => {
  const handler = new Outcomes()
  handler.onHeaders = () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what a user's code may do.
    throw undefined
  }
  const { request } = await sent(handler)
  request.onHeaders(200, [], () => undefined, '')
  expect(handler.error).toMatchObject({ code: 'UND_ERR_ABORTED' })
})

test.each(['onHeaders', 'onData'] as const)(
  'what %s throws ends the call, and pauses the body',
  async (name) => {
    const handler = new Outcomes()
    const fault = new Error(`thrown by ${name}`)
    handler[name] = () => {
      throw fault
    }
    const { rig, request } = await sent(handler)
    const head = request.onHeaders(200, [], () => undefined, '')
    const goesOn = name === 'onHeaders' ? head : request.onData(Buffer.from('some'))
    expect([goesOn, handler.error, rig.inflight]).toEqual([false, fault, [0, 0, 0]])
  },
)
