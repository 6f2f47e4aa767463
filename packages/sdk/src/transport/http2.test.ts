import { once } from 'node:events'
import { createServer as createHttp1 } from 'node:http'
import { constants } from 'node:http2'
import { createServer as createTcp, type AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { errors } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { afterwards, takeSilently } from '../client.test.support.js'
import { until } from '../test-support/until.test.support.js'
import { ManualClock, seededRandom } from '../testing/index.js'
import { connectHttp2, exchange, Exchanged, Http2Upstream } from './http2.test.support.js'
import type { Http2Transport } from './http2.js'

const MIB = 1024 * 1024

let upstream: Http2Upstream
let transport: Http2Transport
let origin: string

beforeEach(async () => {
  upstream = new Http2Upstream()
  origin = await upstream.listen()
  transport = connectHttp2(origin)
})

afterEach(async () => {
  await transport.destroy(new Error('over'))
  upstream.close()
})

/** Another server, with these settings. */
async function serve(options: ConstructorParameters<typeof Http2Upstream>[0]): Promise<void> {
  upstream.close()
  upstream = new Http2Upstream(options)
  origin = await upstream.listen()
  transport = connectHttp2(origin)
}

async function over(...all: Exchanged[]): Promise<void> {
  await until(() => all.every(({ over }) => over))
}

async function completed(...all: Exchanged[]): Promise<void> {
  await over(...all)
  expect(all.map(({ state }) => state)).toEqual(all.map(() => 'complete'))
  // Each has been counted down once.
  expect(all.map(({ endpoint }) => endpoint.inflight)).toEqual(all.map(() => 0))
}

async function waiting(count: number): Promise<void> {
  await until(() => upstream.waiting.length === count)
}

async function serveOne(): Promise<Exchanged> {
  const one = exchange(transport)
  await waiting(1)
  upstream.answer()
  await completed(one)
  return one
}

describe('one exchange', () => {
  test('head, body and trailers of a response', async () => {
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 201, 'x-a': ['b', 'c'] }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': '7' }))
      stream.end('hello')
    }
    const one = exchange(transport, { path: '/v1?x=y', headers: ['Host', 'orders.test', 'X-B', 'd'] })
    await completed(one)
    expect(one).toMatchObject({ status: 201, body: 'hello', trailers: ['x-checksum', '7'] })
    expect(one.headers.slice(0, 4)).toEqual(['x-a', 'b', 'x-a', 'c'])
    expect(one.endpoint.outcomes).toEqual([[1, 'success']])
  })

  test('what the server sees of it', async () => {
    const seen = new Promise<object>((resolve) =>
      upstream.server.on('stream', (_stream, headers) =>
        resolve(Object.fromEntries(Object.entries(headers))),
      ),
    )
    upstream.onStream = (stream) => stream.respond({ ':status': 204 }, { endStream: true })
    const headers = ['Host', 'orders.test', 'Connection', 'x-hop', 'X-Hop', '1', 'TE', 'trailers']
    await completed(exchange(transport, { method: 'DELETE', path: '/v1?x=y', headers }))
    expect(await seen).toEqual({
      ':method': 'DELETE',
      ':authority': 'orders.test',
      ':scheme': 'http',
      ':path': '/v1?x=y',
      te: 'trailers',
    })
  })

  test('a response that ends with its head', async () => {
    upstream.onStream = (stream) => stream.respond({ ':status': 204 }, { endStream: true })
    const one = exchange(transport)
    await completed(one)
    expect(one).toMatchObject({ status: 204, received: 0 })
  })

  test('a head alone, of HEAD', async () => {
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200, 'content-length': 5 })
      stream.end()
    }
    const one = exchange(transport, { method: 'HEAD' })
    await completed(one)
    expect(one).toMatchObject({ status: 200, received: 0 })
  })

  test('interim responses come before the final one', async () => {
    upstream.onStream = (stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' })
      stream.additionalHeaders({ ':status': 102 })
      stream.respond({ ':status': 200 })
      stream.end('ok')
    }
    const one = exchange(transport)
    await completed(one)
    expect(one).toMatchObject({ interim: [103, 102], status: 200, body: 'ok' })
  })

  test.each([
    ['text', () => 'hello'],
    ['bytes', () => Buffer.from('hello')],
    ['a stream', () => Readable.from(['he', 'llo'])],
    [
      'an iterator',
      () =>
        (function* () {
          yield 'he'
          yield Buffer.from('llo')
        })(),
    ],
    ['a Blob', () => new Blob(['hello'])],
  ])('an upload of %s', async (_, body) => {
    upstream.onStream = (stream) => {
      let text = ''
      stream.setEncoding('utf8')
      stream.on('data', (chunk: string) => (text += chunk))
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        stream.end(text)
      })
    }
    const one = exchange(transport, { method: 'POST', body: body() as Readable })
    await completed(one)
    expect(one).toMatchObject({ body: 'hello', sent: 5 })
  })

  test.each([
    ['an upgrade', { upgrade: 'websocket' }],
    ['CONNECT', { method: 'CONNECT' as const }],
  ])('%s is refused, as no failure of the endpoint', (_, options) => {
    const one = exchange(transport, options)
    expect(one.state).toMatchObject({
      name: 'NotSupportedError',
      message: expect.stringContaining(
        "needs HTTP/1.1 (option connections.protocol: 'http1' or 'auto')",
      ) as string,
    })
    expect(one.endpoint.outcomes).toEqual([[1, 'ignored']])
    expect(transport.connections).toBe(0)
  })

  test('what cannot be sent leaves the connection as it is', async () => {
    await serveOne()
    const one = exchange(transport, { headers: ['x a', 'b'] })
    expect(one.state).toBeInstanceOf(errors.InvalidArgumentError)
    await serveOne()
    expect(upstream.sessions.length).toBe(1)
  })

  test.each([
    ['longer', '3'],
    ['shorter', '7'],
  ])('a body that is %s than it said fails its caller', async (_, length) => {
    const body = Readable.from(['he', 'llo'])
    const one = exchange(transport, { method: 'POST', body, headers: ['content-length', length] })
    await over(one)
    expect(one.state).toBeInstanceOf(errors.RequestContentLengthMismatchError)
    expect(one.endpoint.outcomes).toEqual([[1, 'ignored']])
    await until(() => upstream.streams[0]?.rstCode === constants.NGHTTP2_CANCEL)
  })

  test('a body that fails, fails its request, and the stream is reset', async () => {
    const body = new Readable({ read: () => undefined })
    const one = exchange(transport, { method: 'POST', body })
    await waiting(1)
    const reason = new Error('disk full')
    body.destroy(reason)
    await over(one)
    expect(one.state).toBe(reason)
    expect(one.endpoint.outcomes).toEqual([[1, 'ignored']])
    await until(() => upstream.streams[0]?.rstCode === constants.NGHTTP2_CANCEL)
  })

  test('a head above the limit is an error of its own', async () => {
    upstream.onStream = (stream) =>
      stream.respond({ ':status': 200, 'x-large': 'x'.repeat(17_000) }, { endStream: true })
    const one = exchange(transport)
    await over(one)
    expect(one.state).toBeInstanceOf(errors.HeadersOverflowError)
    expect(one.endpoint.outcomes).toEqual([[1, 'ignored']])
  })

  test('a pause within the body is limited', async () => {
    transport = connectHttp2(origin, { bodyTimeoutMs: 20 })
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200 })
      stream.write('a')
    }
    const one = exchange(transport)
    await over(one)
    expect(one.state).toBeInstanceOf(errors.BodyTimeoutError)
    await until(() => upstream.streams[0]?.rstCode === constants.NGHTTP2_CANCEL)
  })

  test('but not one of our own event loop, behind which the next piece has come', async () => {
    transport = connectHttp2(origin, { bodyTimeoutMs: 500 })
    upstream.onStream = (stream) => stream.respond({ ':status': 200 })
    const one = exchange(transport)
    await until(() => one.status === 200)
    await new Promise<void>((resolve) => {
      // Handed to the kernel, and not read by our side yet.
      upstream.streams[0]?.write('a', () => {
        const end = performance.now() + 1000
        while (performance.now() < end);
        resolve()
      })
    })
    await until(() => one.received === 1)
    upstream.streams[0]?.end('b')
    await completed(one)
    expect(one.body).toBe('ab')
  })

  test('but not one that the reader makes', async () => {
    // Longer than this process is held up, where the sender is as well.
    transport = connectHttp2(origin, { bodyTimeoutMs: 500 })
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200 })
      stream.end('a'.repeat(MIB))
    }
    const one = new Exchanged()
    one.pausing = true
    const begun = performance.now()
    exchange(transport, {}, one)
    await until(() => one.status === 200 && performance.now() - begun > 1000)
    expect(one.state).toBe('open')
    one.pausing = false
    one.resume()
    await completed(one)
    expect(one.received).toBe(MIB)
  })
})

describe('flow control', () => {
  test('a reader that pauses holds the sender back, and holds no other stream up', async () => {
    let written = 0
    upstream.onStream = (stream) => {
      // Else node's server leaves END_STREAM out.
      stream.resume()
      stream.respond({ ':status': 200 })
      if (upstream.streams.length > 1) {
        stream.end('b'.repeat(2 * MIB))
        return
      }
      const more = (): void => {
        while (written < 16 * MIB) {
          written += 65_536
          if (!stream.write(Buffer.alloc(65_536))) return
        }
        stream.end()
      }
      stream.on('drain', more)
      more()
    }
    const slow = new Exchanged()
    slow.pausing = true
    exchange(transport, {}, slow)
    await until(() => slow.status === 200)
    const fast = exchange(transport)
    await completed(fast)
    expect(fast.received).toBe(2 * MIB)
    // A window, and what stands in the server's buffers.
    expect(written).toBeLessThan(MIB)
    expect(slow.received).toBeLessThan(65_536)
    slow.pausing = false
    slow.resume()
    await completed(slow)
    expect(slow.received).toBe(16 * MIB)
  })

  test('an endpoint that does not read holds the upload back', async () => {
    let given = 0
    const body = new Readable({
      read(size) {
        given += size
        this.push(given > 16 * MIB ? null : Buffer.alloc(size))
      },
    })
    const one = exchange(transport, { method: 'POST', body })
    await waiting(1)
    await serveOneBeside()
    expect(given).toBeLessThan(2 * MIB)
    const [stream] = upstream.streams
    stream?.on('end', () => {
      stream.respond({ ':status': 200 })
      stream.end()
    })
    stream?.resume()
    await completed(one)
    expect(given).toBeGreaterThan(16 * MIB)
  })

  async function serveOneBeside(): Promise<void> {
    const beside = exchange(transport)
    await waiting(2)
    const stream = upstream.waiting[1]
    stream?.respond({ ':status': 200 }, { endStream: true })
    await completed(beside)
  }
})

describe('how a stream ends', () => {
  test('cancelled, it is reset with CANCEL, and the connection stays', async () => {
    await serveOne()
    const one = exchange(transport)
    await waiting(1)
    one.attempt.cancel(new Error('enough'), 'ignored')
    await until(() => upstream.streams[1]?.rstCode === constants.NGHTTP2_CANCEL)
    expect(one.endpoint.inflight).toBe(0)
    await serveOne()
    expect(upstream.sessions.length).toBe(1)
  })

  test('cancelled in the middle of its response, too', async () => {
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200 })
      stream.write('a')
    }
    const one = exchange(transport)
    await until(() => one.received > 0)
    one.attempt.cancel(new Error('enough'), 'ignored')
    await until(() => upstream.streams[0]?.rstCode === constants.NGHTTP2_CANCEL)
  })

  test('an upload that is cancelled is destroyed', async () => {
    const body = new Readable({ read: () => undefined })
    const one = exchange(transport, { method: 'POST', body })
    await waiting(1)
    one.attempt.cancel(new Error('enough'), 'ignored')
    expect(body.destroyed).toBe(true)
  })

  test('reset by the endpoint, its error says by which code', async () => {
    const one = exchange(transport)
    await waiting(1)
    upstream.streams[0]?.close(constants.NGHTTP2_INTERNAL_ERROR)
    await over(one)
    expect(one.state).toMatchObject({
      code: 'UND_ERR_SOCKET',
      message: 'the endpoint reset the HTTP/2 stream: INTERNAL_ERROR',
    })
    expect(one.endpoint.outcomes).toEqual([[1, 'local_failure']])
  })

  test('a whole response before the end of the upload is a response, and the rest of the upload is not sent', async () => {
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 413 })
      stream.end('too much', () => stream.close(constants.NGHTTP2_NO_ERROR))
    }
    const body = new Readable({ read: () => undefined })
    body.push('a')
    const one = exchange(transport, { method: 'POST', body })
    await completed(one)
    expect(one).toMatchObject({ status: 413, body: 'too much' })
    expect(body.destroyed).toBe(true)
    upstream.onStream = () => undefined
    await serveOne()
    expect(upstream.sessions.length).toBe(1)
  })

  test('a response that has come is not lost where its reader pauses and the endpoint goes', async () => {
    const one = new Exchanged()
    one.pausing = true
    exchange(transport, {}, one)
    await waiting(1)
    upstream.answer('x'.repeat(100_000))
    await until(() => upstream.streams[0]?.closed === true)
    upstream.server.close()
    for (const session of upstream.sessions) session.close()
    await until(() => upstream.open === 0 && transport.connections === 0)
    expect(one.state).toBe('open')
    one.pausing = false
    one.resume()
    await completed(one)
    expect(one.received).toBe(100_000)
  })
})

describe('how many at a time', () => {
  test('all that the endpoint allows, on one connection', async () => {
    const sent = Array.from({ length: 50 }, () => exchange(transport))
    await waiting(50)
    expect([upstream.sessions.length, transport.connections]).toEqual([1, 1])
    for (let n = 0; n < 50; n++) upstream.answer()
    await completed(...sent)
  })

  test('above its limit on another one', async () => {
    await serve({ settings: { maxConcurrentStreams: 2 } })
    const sent = Array.from({ length: 5 }, () => exchange(transport))
    await waiting(5)
    expect(upstream.sessions.length).toBe(3)
    for (let n = 0; n < 5; n++) upstream.answer()
    await completed(...sent)
  })

  test('where there may be no other, the rest waits, in order, and is never above the limit', async () => {
    await serve({ settings: { maxConcurrentStreams: 2 } })
    transport = connectHttp2(origin, { max: 1 })
    const sent = Array.from({ length: 7 }, () => exchange(transport))
    for (const [index, one] of sent.entries()) {
      await waiting(Math.min(2, 7 - index))
      expect(sent.slice(index + 2).every(({ state }) => state === 'open')).toBe(true)
      upstream.answer()
      await completed(one)
    }
    expect(upstream.sessions.length).toBe(1)
  })

  test('one that is cancelled while it waits is never sent', async () => {
    await serve({ settings: { maxConcurrentStreams: 1 } })
    transport = connectHttp2(origin, { max: 1 })
    const [first, second, third] = [exchange(transport), exchange(transport), exchange(transport)]
    await waiting(1)
    second.attempt.cancel(new Error('enough'), 'ignored')
    upstream.answer()
    await completed(first)
    await waiting(1)
    upstream.answer()
    await completed(third)
    expect(upstream.streams.length).toBe(2)
  })

  test('a limit that is raised lets those that wait begin, and one that is lowered lets the others finish', async () => {
    await serve({ settings: { maxConcurrentStreams: 1 } })
    transport = connectHttp2(origin, { max: 1 })
    const sent = Array.from({ length: 4 }, () => exchange(transport))
    await waiting(1)
    upstream.sessions[0]?.settings({ maxConcurrentStreams: 3 })
    await waiting(3)
    upstream.sessions[0]?.settings({ maxConcurrentStreams: 1 })
    await once(upstream.sessions[0] as never, 'localSettings')
    upstream.answer()
    upstream.answer()
    await until(() => sent.filter(({ over }) => over).length === 2)
    expect(upstream.streams.length).toBe(3)
    upstream.answer()
    await waiting(1)
    upstream.answer()
    await completed(...sent)
  })

  test('a limit of none is waited for, and no other connection is opened', async () => {
    await serve({ settings: { maxConcurrentStreams: 0 } })
    const one = exchange(transport)
    await until(() => upstream.sessions.length === 1)
    await until(() => upstream.sessions[0]?.pendingSettingsAck === false)
    expect([one.state, upstream.streams.length]).toEqual(['open', 0])
    upstream.sessions[0]?.settings({ maxConcurrentStreams: 1 })
    await waiting(1)
    upstream.answer()
    await completed(one)
    expect(upstream.sessions.length).toBe(1)
  })
})

describe('GOAWAY', () => {
  test('what the endpoint has not processed is sent again, whatever it is; what it has finishes', async () => {
    const first = exchange(transport, { method: 'POST' })
    await waiting(1)
    const second = exchange(transport, { method: 'POST', body: 'x' })
    const third = exchange(transport)
    await waiting(3)
    const [session] = upstream.sessions
    // Of the first one only: it says the others have not been processed.
    session?.goaway(constants.NGHTTP2_NO_ERROR, upstream.streams[0]?.id)
    await until(() => upstream.sessions.length === 2 && upstream.streams.length === 5)
    expect(first.state).toBe('open')
    for (const stream of upstream.streams.filter(({ session: its }) => its === session)) {
      if (stream !== upstream.streams[0]) continue
      stream.respond({ ':status': 200 })
      stream.end('first')
    }
    for (const stream of upstream.streams.slice(3)) {
      stream.respond({ ':status': 200 })
      stream.end('again')
    }
    await completed(first, second, third)
    expect([first.body, second.body, third.body]).toEqual(['first', 'again', 'again'])
    await until(() => transport.connections === 1)
  })

  test('by an error, too', async () => {
    const first = exchange(transport)
    const second = exchange(transport, { method: 'POST', body: 'x' })
    await waiting(2)
    upstream.sessions[0]?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, upstream.streams[0]?.id)
    await over(first)
    expect(first.state).toBeInstanceOf(Error)
    expect(first.attempt.written).toBe(true)
    await until(() => upstream.sessions.length === 2)
    await until(() => upstream.streams.length === 3)
    upstream.streams[2]?.respond({ ':status': 200 })
    upstream.streams[2]?.end('again')
    await completed(second)
  })

  test('a server that is shut down in order loses nothing', async () => {
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200 })
      setImmediate(() => stream.end('ok'))
    }
    const sent: Exchanged[] = []
    for (let n = 0; n < 50; n++) {
      sent.push(exchange(transport, { method: 'POST', body: 'x' }))
      await new Promise(setImmediate)
      if (n % 10 === 5) for (const session of upstream.sessions) session.close()
    }
    await completed(...sent)
    expect(upstream.sessions.length).toBeGreaterThan(3)
  })
})

describe('REFUSED_STREAM', () => {
  test('of a connection that stays is for another endpoint, as it was written and not processed', async () => {
    upstream.onStream = (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM)
    const one = exchange(transport, { method: 'POST', body: 'x' })
    await over(one)
    expect(one.state).toMatchObject({ message: 'the endpoint reset the HTTP/2 stream: REFUSED_STREAM' })
    expect(one.attempt).toMatchObject({ written: true, unprocessed: true })
    expect([upstream.streams.length, one.endpoint.unreached]).toEqual([1, []])
  })

  test('of one that closes is sent again on another one, once', async () => {
    upstream.onStream = (stream) => {
      // Of all streams, this one included.
      stream.session?.goaway(constants.NGHTTP2_NO_ERROR, 2 ** 31 - 1)
      setImmediate(() => stream.close(constants.NGHTTP2_REFUSED_STREAM))
    }
    const one = exchange(transport, { method: 'POST', body: 'x' })
    await over(one)
    expect([upstream.streams.length, upstream.sessions.length]).toEqual([2, 2])
    expect(one.attempt).toMatchObject({ written: true, unprocessed: true })
  })

  test('with an upload that has been read from, it is not sent again here', async () => {
    const body = new Readable({ read: () => undefined })
    body.push('a')
    const one = exchange(transport, { method: 'POST', body })
    await waiting(1)
    upstream.streams[0]?.close(constants.NGHTTP2_REFUSED_STREAM)
    await over(one)
    expect(one.attempt).toMatchObject({ written: true, unprocessed: true })
    expect(upstream.streams.length).toBe(1)
  })
})

describe('a head that is too large', () => {
  /** Of so many bytes, its five fields included, in a value that does not become shorter by its coding. */
  const sized = (bytes: number): { headers: string[] } => {
    const others = [':method', 'GET', ':scheme', 'http', ':authority', origin.slice(7), ':path', '/', 'x-a']
    return { headers: ['x-a', '~'.repeat(bytes - others.join('').length)] }
  }

  test('for us is refused as its caller’s fault, to the byte', async () => {
    upstream.onStream = (stream) => stream.respond({ ':status': 200 }, { endStream: true })
    const most = 65_536 - 17 - 5 * 12
    await completed(exchange(transport, sized(most)))
    const one = exchange(transport, sized(most + 1))
    expect(one.state).toBeInstanceOf(errors.InvalidArgumentError)
    expect(one.endpoint.outcomes).toEqual([[1, 'ignored']])
    await completed(exchange(transport))
    expect([upstream.sessions.length, upstream.streams.length]).toEqual([1, 2])
  })

  test('for the endpoint, too', async () => {
    await serve({ settings: { maxHeaderListSize: 1000 } })
    upstream.onStream = (stream) => stream.respond({ ':status': 200 }, { endStream: true })
    const [whole, one] = [
      exchange(transport, sized(1000 - 5 * 32)),
      exchange(transport, sized(1001 - 5 * 32)),
    ]
    await completed(whole)
    expect(one.state).toMatchObject({
      name: 'InvalidArgumentError',
      message: expect.stringContaining('the endpoint takes 1000 bytes') as string,
    })
    expect(upstream.streams.length).toBe(1)
  })
})

describe('a connection', () => {
  test('that is lost ends each of its requests once', async () => {
    const sent = Array.from({ length: 5 }, () => exchange(transport))
    await waiting(5)
    upstream.sockets[0]?.destroy()
    await over(...sent)
    for (const { state, endpoint } of sent) {
      expect(state).toBeInstanceOf(Error)
      expect([endpoint.inflight, endpoint.outcomes]).toEqual([0, [[1, 'local_failure']]])
    }
    await until(() => transport.connections === 0)
    await serveOne()
  })

  test('that is reset, too', async () => {
    const sent = Array.from({ length: 5 }, () => exchange(transport))
    await waiting(5)
    upstream.sockets[0]?.resetAndDestroy()
    await over(...sent)
    expect(sent.map(({ endpoint }) => endpoint.outcomes)).toEqual(sent.map(() => [[1, 'local_failure']]))
  })

  test('that is refused fails those that were to be sent on it, unwritten', async () => {
    transport = connectHttp2('http://127.0.0.1:1')
    const sent = [exchange(transport), exchange(transport, { method: 'POST' })]
    await over(...sent)
    for (const { state, attempt } of sent) {
      expect(state).toMatchObject({ code: 'ECONNREFUSED' })
      expect(attempt.written).toBe(false)
    }
    expect(transport.connections).toBe(0)
  })

  test('to a server of HTTP/1.1 is none, and nothing is sent on it', async () => {
    const server = createHttp1((_, response) => response.end('no')).listen(0, '127.0.0.1')
    await once(server, 'listening')
    afterwards(() => server.close())
    transport = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const one = exchange(transport, { method: 'POST' })
    await over(one)
    expect((one.state as Error).message).toMatch(
      /^the connection does not speak HTTP\/2: .* \(option connections\.protocol\)$/,
    )
    expect(one.attempt.written).toBe(false)
  })

  test('to a server that closes without a word is none', async () => {
    const server = createTcp((socket) => socket.destroy()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    afterwards(() => server.close())
    transport = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const one = exchange(transport)
    await over(one)
    expect(one.state).toBeInstanceOf(Error)
    expect(transport.connections).toBe(0)
  })

  test('that stands still is limited, SETTINGS included', async () => {
    const clock = new ManualClock()
    transport = connectHttp2(`http://${await takeSilently()}`, { clock, connectTimeoutMs: () => 100 })
    const one = exchange(transport)
    await clock.advance(99)
    expect(one.state).toBe('open')
    await clock.advance(1)
    await over(one)
    expect(one.state).toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' })
  })

  test('is opened beforehand where that is asked for', async () => {
    transport.preconnect(3)
    transport.preconnect(3)
    await until(() => upstream.sessions.length === 1)
    await serveOne()
    expect(upstream.sessions.length).toBe(1)
  })

  test('comes to a server that has been started anew', async () => {
    await serveOne()
    const { port } = upstream.server.address() as AddressInfo
    upstream.close()
    await until(() => transport.connections === 0)
    upstream = new Http2Upstream()
    await upstream.listen(port)
    await serveOne()
  })
})

describe('how long a connection is used', () => {
  let clock: ManualClock
  beforeEach(() => {
    clock = new ManualClock()
  })

  test('idle, for the keep-alive time', async () => {
    transport = connectHttp2(origin, { clock, keepAliveMs: 4000 })
    await serveOne()
    await clock.advance(3000)
    await serveOne()
    await clock.advance(3999)
    expect(transport.connections).toBe(1)
    await clock.advance(1)
    expect(transport.connections).toBe(0)
    await until(() => upstream.open === 0)
    await until(() => clock.pending === 0)
  })

  test('busy, for as long as its requests take', async () => {
    transport = connectHttp2(origin, { clock, keepAliveMs: 4000 })
    const one = exchange(transport)
    await waiting(1)
    await clock.advance(100_000)
    expect(transport.connections).toBe(1)
    upstream.answer()
    await completed(one)
  })

  test('for its age, and what it has then finishes', async () => {
    transport = connectHttp2(origin, {
      clock,
      maxAge: { ms: 60_000, random: seededRandom(1) },
      keepAliveMs: 86_400_000,
    })
    const one = exchange(transport)
    await waiting(1)
    await clock.advance(60_000)
    const two = exchange(transport)
    await waiting(2)
    expect([upstream.sessions.length, transport.connections]).toEqual([2, 2])
    upstream.answer()
    upstream.answer()
    await completed(one, two)
    await until(() => transport.connections === 1 && upstream.open === 1)
  })

  test('for so many requests', async () => {
    transport = connectHttp2(origin, { maxRequests: 2 })
    const sent = Array.from({ length: 5 }, () => exchange(transport))
    await waiting(5)
    expect(upstream.sessions.length).toBe(3)
    for (let n = 0; n < 5; n++) upstream.answer()
    await completed(...sent)
    await until(() => transport.connections === 1 && upstream.open === 1)
  })
})

describe('PING', () => {
  const giveUp = (one: Exchanged): void => one.attempt.cancel(new Error('too late'), 'local_failure')

  test('a live connection answers it, and goes on; it is asked once for each sign of life, and after a silence', async () => {
    const clock = new ManualClock()
    transport = connectHttp2(origin, { clock })
    await serveOne()
    let pings = 0
    upstream.sessions[0]?.on('ping', () => pings++)
    const sent = Array.from({ length: 4 }, () => exchange(transport))
    const [one, two, three, four] = sent as [Exchanged, Exchanged, Exchanged, Exchanged]
    await waiting(4)
    await clock.advance(999)
    giveUp(one)
    await serveNext()
    expect(pings).toBe(0)
    await clock.advance(1000)
    giveUp(two)
    await until(() => pings === 1)
    await clock.advance(1000)
    giveUp(three)
    await serveNext()
    expect(pings).toBe(1)
    await clock.advance(1000)
    giveUp(four)
    await until(() => pings === 2)
    expect(upstream.sessions.length).toBe(1)
  })

  /** What comes next, while others wait. Until the answer to a PING is here, another connection would be opened. */
  async function serveNext(): Promise<void> {
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
    const count = upstream.streams.length
    const next = exchange(transport)
    await until(() => upstream.streams.length > count)
    upstream.streams.at(-1)?.respond({ ':status': 204 }, { endStream: true })
    await completed(next)
  }
})

describe('the end', () => {
  test('closing lets requests in flight and in the queue finish', async () => {
    await serve({ settings: { maxConcurrentStreams: 1 } })
    transport = connectHttp2(origin, { max: 1 })
    const sent = [exchange(transport), exchange(transport)]
    let closed = false
    const closing = transport.close().then(() => (closed = true))
    for (const one of sent) {
      await waiting(1)
      expect(closed).toBe(false)
      upstream.answer()
      await completed(one)
    }
    await closing
    await until(() => upstream.open === 0)
    expect(transport.connections).toBe(0)
    expect(String(exchange(transport).state)).toContain('ClientClosedError')
  })

  test('closing an idle one is over at once', async () => {
    await serveOne()
    await transport.close()
    await until(() => upstream.open === 0)
  })

  test.each([1, 100])(
    'destroying aborts requests in flight and in the queue, streams allowed: %i',
    async (streams) => {
      await serve({ settings: { maxConcurrentStreams: streams } })
      transport = connectHttp2(origin, { max: 1 })
      const sent = Array.from({ length: 5 }, () => exchange(transport))
      await waiting(Math.min(5, streams))
      await transport.destroy(new Error('over'))
      expect(sent.map(({ state }) => (state as Error).message)).toEqual(sent.map(() => 'over'))
      expect(sent.map(({ endpoint }) => endpoint.inflight)).toEqual(sent.map(() => 0))
      await until(() => upstream.open === 0)
      expect(transport.connections).toBe(0)
    },
  )

  test('destroying one that is being established', async () => {
    const one = exchange(transport)
    await transport.destroy(new Error('over'))
    expect((one.state as Error).message).toBe('over')
    await until(() => upstream.open === 0)
  })
})
