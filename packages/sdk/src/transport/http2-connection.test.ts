import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import { Readable } from 'node:stream'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../clock.js'
import { HeldTransport } from '../endpoint/attempt.test.support.js'
import { until } from '../test-support/until.test.support.js'
import { Http2Connection } from './http2-connection.js'
import type { Exchange } from './http2-exchange.js'
import { exchange, Exchanged, Http2Upstream } from './http2.test.support.js'
import { limitedLifetime } from './lifetime.js'
import type { TransportRequest } from './transport.js'

/** All on one connection, and it tells what could be resent. */
class OneConnection extends HeldTransport {
  readonly resendable: boolean[] = []
  readonly #connection: Http2Connection

  constructor(connection: Http2Connection) {
    super()
    this.#connection = connection
  }

  override send(request: TransportRequest): void {
    this.#connection.carry(request)
  }

  override resend(request?: TransportRequest): boolean {
    this.resendable.push((request?.carrier as Exchange).resendable)
    return false
  }
}

let upstream: Http2Upstream
let session: ClientHttp2Session
let connection: Http2Connection
let transport: OneConnection
let closed: boolean

beforeEach(async () => {
  upstream = new Http2Upstream()
  upstream.onStream = () => upstream.answer()
  const origin = await upstream.listen()
  const socket = connectTcp(Number(new URL(origin).port), '127.0.0.1')
  session = connect(origin, { createConnection: () => socket })
  session.on('error', () => undefined)
  await once(session, 'remoteSettings')
  closed = false
  connection = new Http2Connection(
    {
      ...{ origin, bodyTimeoutMs: 0, maxHeaderBytes: 16_384, keepAliveMs: 60_000, pingMs: undefined },
      lifetime: limitedLifetime({ clock: systemClock }),
      clock: systemClock,
    },
    { onRoom: () => undefined, onClosed: () => (closed = true) },
  )
  connection.established({ protocol: 'http2', session, socket })
  transport = new OneConnection(connection)
})

afterEach(() => {
  session.destroy()
  upstream.close()
})

const upload = (): Readable => Readable.from(['hello'])

test('a connection whose stream ids have run out takes no more, and what was for it is unsent', async () => {
  // Its types do not tell of it.
  ;(session as unknown as { setNextStreamID(id: number): void }).setNextStreamID(2 ** 31 - 1)
  const last = exchange(transport)
  await until(() => last.over)
  expect(last.state).toBe('complete')
  const body = upload()
  const late = exchange(transport, { method: 'POST', body })
  await until(() => late.over)
  expect(late.state).toMatchObject({ code: 'ERR_HTTP2_OUT_OF_STREAMS' })
  expect(late.attempt.written).toBe(false)
  expect([body.readableDidRead, body.destroyed, transport.resendable]).toEqual([false, false, [true]])
  expect(connection.room).toBe(0)
  await until(() => closed)
})

test('an upload for a session that has just ended is unsent, and the connection takes no more', () => {
  const body = upload()
  const late = new Exchanged()
  late.outgoing = ({ options }) => {
    session.destroy()
    return options
  }
  exchange(transport, { method: 'POST', body }, late)
  expect(late.state).toMatchObject({ message: 'the HTTP/2 session has ended' })
  expect(late.attempt.written).toBe(false)
  expect([body.readableDidRead, body.destroyed, transport.resendable]).toEqual([false, false, [true]])
  expect([connection.room, closed]).toEqual([0, true])
})

test.each([
  [6, 'InvalidArgumentError', 'FRAME_SIZE_ERROR', 'ignored'],
  [2, 'SocketError', 'INTERNAL_ERROR', 'local_failure'],
])(
  'a head that nghttp2 could not send, by code %i, is not refused by the endpoint',
  async (code, name, why, outcome) => {
    upstream.onStream = () => undefined
    const streams: ClientHttp2Stream[] = []
    const request = session.request.bind(session)
    session.request = (...given) => {
      const stream = request(...given)
      streams.push(stream)
      return stream
    }
    const one = exchange(transport, { method: 'POST', body: 'x' })
    // As node tells of it, with the code of the reset that follows.
    streams[0]?.emit('frameError', 1, code, 1)
    streams[0]?.close(7)
    await until(() => streams[0]?.closed === true)
    expect(one.state).toMatchObject({ name, message: `the head of the request could not be sent: ${why}` })
    expect([one.endpoint.outcomes, one.attempt.written]).toEqual([[[1, outcome]], false])
    expect(connection.draining).toBe(true)
  },
)
