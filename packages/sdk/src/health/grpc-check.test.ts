import { constants, type ServerHttp2Stream } from 'node:http2'
import { beforeEach, describe, expect, test } from 'vitest'
import { afterwards, serve } from '../client.test.support.js'
import { systemClock } from '../clock.js'
import { instanceAt } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { tcpConnector } from '../transport/connector.js'
import { http2 } from '../transport/http2.js'
import {
  END_HEADERS,
  END_STREAM,
  frame,
  FRAME,
  serveFrames,
  STATUS_200,
} from '../transport/http2-frames.test.support.js'
import { Http2Upstream } from '../transport/http2.test.support.js'
import { checkOnce, REFUSED } from './checks.test.support.js'
import { grpcCheck } from './grpc-check.js'
import type { CheckResult } from './health-check.js'
import { httpCheck } from './http-check.js'

const transport = http2({
  connector: tcpConnector({}),
  max: Infinity,
  connectTimeoutMs: () => 5000,
  clock: systemClock,
  keepAliveMs: 60_000,
  bodyTimeoutMs: 0,
  maxHeaderBytes: 16_384,
})

let upstream: Http2Upstream
let origin: string
/** What it was asked: the head, and the body. */
let asked: { readonly head: Record<string, unknown>; readonly body: string }[]

beforeEach(async () => {
  asked = []
  upstream = new Http2Upstream()
  origin = await upstream.listen()
  afterwards(() => upstream.close())
})

/** Each stream, once its request is whole, is answered so. */
function answering(answer: (stream: ServerHttp2Stream) => void): void {
  upstream.server.on('stream', (stream: ServerHttp2Stream, head) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      asked.push({ head: { ...head }, body: Buffer.concat(chunks).toString('latin1') })
      answer(stream)
    })
  })
}

/** As gRPC's servers answer: a head, a message, trailers. */
function says(body: Buffer, status = '0'): (stream: ServerHttp2Stream) => void {
  return (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': status }))
    stream.end(body)
  }
}

const SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 1])
const NOT_SERVING = Buffer.from([0, 0, 0, 0, 2, 8, 2])

const checkOf = (service: string): Promise<CheckResult | undefined> =>
  checkOnce(grpcCheck(transport, { service, timeoutMs: 1500 }), origin)

test('SERVING is healthy, and its connection is closed', async () => {
  answering(says(SERVING))
  expect(await checkOf('orders')).toEqual({ kind: 'healthy' })
  expect(asked).toEqual([
    {
      head: expect.objectContaining({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': '1500m',
        'content-length': '13',
      }) as unknown,
      body: '\0\0\0\0\x08\x0a\x06orders',
    },
  ])
  await until(() => upstream.open === 0)
})

test('without a service it is asked of the whole server', async () => {
  answering(says(SERVING))
  expect(await checkOf('')).toEqual({ kind: 'healthy' })
  expect(asked[0]?.body).toBe('\0\0\0\0\0')
})

describe('anything else is unhealthy', () => {
  test('another status', async () => {
    answering(says(NOT_SERVING))
    expect(await checkOf('')).toEqual({
      kind: 'unhealthy',
      why: 'the gRPC health check says NOT_SERVING',
    })
  })

  test('what is no message', async () => {
    answering(says(Buffer.from('<html>')))
    expect(await checkOf('')).toMatchObject({ why: 'the gRPC health check says invalid' })
  })

  test('a failure in the trailers', async () => {
    answering(says(SERVING, '14'))
    expect(await checkOf('')).toMatchObject({
      kind: 'unhealthy',
      why: 'the gRPC health check failed: grpc-status 14',
    })
  })

  test('a failure in the head, as of a server without the service', async () => {
    answering((stream) =>
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': '12',
          'grpc-message': 'unknown service',
        },
        { endStream: true },
      ),
    )
    expect(await checkOf('')).toMatchObject({
      kind: 'unhealthy',
      why: 'the gRPC health check failed: grpc-status 12 (unknown service)',
    })
  })

  test('a status of HTTP', async () => {
    answering((stream) => stream.respond({ ':status': 503 }, { endStream: true }))
    expect(await checkOf('')).toMatchObject({
      kind: 'unhealthy',
      why: 'the gRPC health check was answered with HTTP 503',
    })
  })
})

describe('no answer', () => {
  test('where it is refused', async () => {
    const check = grpcCheck(transport, { service: '', timeoutMs: 1000 })
    expect(await checkOnce(check, REFUSED)).toMatchObject({ kind: 'unreachable' })
  })

  test('where HTTP/1.1 is spoken', async () => {
    origin = await serve((_request, response) => response.end())
    expect(await checkOf('')).toMatchObject({ kind: 'unreachable' })
  })

  test('where the stream is reset', async () => {
    answering((stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
    expect(await checkOf('')).toMatchObject({
      kind: 'unreachable',
      why: expect.stringContaining('INTERNAL_ERROR') as unknown,
    })
  })
})

test('cancelled, its connection ends, and it says nothing', async () => {
  const found: CheckResult[] = []
  const check = grpcCheck(transport, { service: '', timeoutMs: 1000 })
  const cancel = check(instanceAt(origin), (result) => void found.push(result))
  await until(() => upstream.streams.length === 1)
  cancel()
  await until(() => upstream.open === 0)
  expect(found).toEqual([])
})

test('a connection that closes before it has looked at a check says nothing of the endpoint: it is asked again, once', async () => {
  let leaving = 1
  const { origin: closing, sockets } = await serveFrames((socket, id) => {
    if (sockets.length <= leaving) socket.write(frame(FRAME.GOAWAY, 0, 0, Buffer.alloc(8)))
    else socket.write(frame(FRAME.HEADERS, END_HEADERS | END_STREAM, id, STATUS_200))
  })
  const check = httpCheck(transport, { path: '/health', expectedStatuses: [200] })
  expect(await checkOnce(check, closing)).toEqual({ kind: 'healthy' })
  expect(sockets.length).toBe(2)
  leaving = 4
  expect(await checkOnce(check, closing)).toMatchObject({ kind: 'unreachable' })
  expect(sockets.length).toBe(4)
})
