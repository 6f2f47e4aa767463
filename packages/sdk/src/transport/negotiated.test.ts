import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, createSecureServer, type Http2SecureServer } from 'node:http2'
import * as https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { afterwards, serve } from '../client.test.support.js'
import { Authority, pemOf } from '../consul/authority.test.support.js'
import { createClient, fixedResolver, type Client, type ClientOptions } from '../index.js'
import { until } from '../test-support/until.test.support.js'
import { Http2Upstream } from './http2.test.support.js'

const folder = mkdtempSync(join(tmpdir(), 'fairlead-alpn-'))
let ca: Buffer
let identity: { readonly cert: Buffer; readonly key: Buffer }
let client: Client

beforeAll(() => {
  const authority = new Authority(folder, 'authority')
  ca = readFileSync(authority.certFile)
  identity = pemOf(authority.issue('server', '127.0.0.1', 'orders.test'))
})
afterAll(() => rmSync(folder, { recursive: true }))
afterEach(() => client.dispatcher.destroy())

/** Over TLS; answers with the protocol that it was asked by. */
async function serveSecurely(
  http1: 'allowed' | 'only' | 'never',
): Promise<{ origin: string; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server: https.Server | Http2SecureServer =
    http1 === 'only'
      ? https.createServer(identity, (request, response) => response.end(request.httpVersion))
      : createSecureServer({ ...identity, allowHTTP1: http1 === 'allowed' }, (request, response) =>
          response.end(request.httpVersion),
        )
  server.on('upgrade', (_request, socket: Socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
  })
  server.on('secureConnection', (socket: Socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return { origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

function connect(origin: string, connections: NonNullable<ClientOptions['connections']>): void {
  client = createClient('orders', {
    resolver: fixedResolver([origin]),
    connections: { tls: { ca }, ...connections },
    logger: { info: ignore, warn: ignore, error: ignore },
    retry: false,
    breaker: false,
  })
}

function ignore(): void {}

async function ask(): Promise<string> {
  return (await client.request({ path: '/' })).body.text()
}

describe('over TLS', () => {
  test.each([
    ['auto', 'allowed', '2.0'],
    ['auto', 'never', '2.0'],
    ['auto', 'only', '1.1'],
    ['http2', 'allowed', '2.0'],
    ['http1', 'allowed', '1.1'],
    [undefined, 'allowed', '1.1'],
  ] as const)('%s with a server where HTTP/1.1 is %s: HTTP/%s', async (protocol, http1, version) => {
    const { origin, sockets } = await serveSecurely(http1)
    connect(origin, { protocol })
    expect(await ask()).toBe(version)
    expect(await ask()).toBe(version)
    // The one that found out is used.
    expect(sockets.length).toBe(1)
    const many = await Promise.all(Array.from({ length: 10 }, ask))
    expect(new Set(many)).toEqual(new Set([version]))
    if (version === '2.0') expect(sockets.length).toBe(1)
    await client.close()
  })

  test('a burst before it is known, with a server of HTTP/1.1', async () => {
    const { origin, sockets } = await serveSecurely('only')
    connect(origin, { protocol: 'auto', maxPerEndpoint: 3 })
    expect(await Promise.all(Array.from({ length: 10 }, ask))).toEqual(
      Array.from({ length: 10 }, () => '1.1'),
    )
    expect(sockets.length).toBe(3)
  })

  test('http2 with a server that has only HTTP/1.1 fails, and says what to do', async () => {
    const { origin } = await serveSecurely('only')
    connect(origin, { protocol: 'http2' })
    await expect(ask()).rejects.toThrow(
      `${origin.slice(8)} does not offer HTTP/2 over TLS (ALPN h2): use connections.protocol 'auto' or 'http1'`,
    )
  })

  test('an upgrade goes over HTTP/1.1 with auto, whatever else is spoken', async () => {
    const { origin } = await serveSecurely('allowed')
    connect(origin, { protocol: 'auto' })
    expect(await ask()).toBe('2.0')
    const { socket } = await client.dispatcher.upgrade({ path: '/', protocol: 'echo' })
    socket.destroy()
    expect(await ask()).toBe('2.0')
  })

  test('an endpoint that asks for HTTP/1.1 on a stream gets it from then on, whatever the request is', async () => {
    const server = createSecureServer({ ...identity, allowHTTP1: true }, (request, response) => {
      if (request.httpVersion === '1.1') response.end('1.1')
    })
    let streams = 0
    server.on('stream', (stream) => {
      streams++
      stream.on('error', ignore)
      stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    afterwards(() => void server.close())
    connect(`https://127.0.0.1:${(server.address() as AddressInfo).port}`, { protocol: 'auto' })
    for (let n = 0; n < 2; n++) {
      const { body } = await client.request({ path: '/', method: 'POST', body: 'x' })
      expect(await body.text()).toBe('1.1')
    }
    expect(streams).toBe(1)
  })

  test('preconnect finds out as well, and its connection is used', async () => {
    for (const http1 of ['never', 'only'] as const) {
      const { origin, sockets } = await serveSecurely(http1)
      connect(origin, { protocol: 'auto', preconnect: 1 })
      await client.ready()
      await until(() => sockets.length === 1)
      await ask()
      expect(sockets.length).toBe(1)
      await client.close()
    }
  })
})

describe('in clear', () => {
  test('auto is HTTP/1.1', async () => {
    connect(await serve((request, response) => response.end(request.httpVersion)), { protocol: 'auto' })
    expect(await ask()).toBe('1.1')
  })

  test('over http2 a request tells how much time is left as well', async () => {
    const upstream = new Http2Upstream()
    afterwards(() => upstream.close())
    const told: unknown[] = []
    upstream.server.on('stream', (_stream, head) => told.push(head['x-envoy-expected-rq-timeout-ms']))
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200 })
      stream.end('ok')
    }
    client = createClient('orders', {
      resolver: fixedResolver([await upstream.listen()]),
      connections: { protocol: 'http2' },
      deadlineHeader: 'x-envoy-expected-rq-timeout-ms',
      timeoutMs: 20_000,
      logger: { info: ignore, warn: ignore, error: ignore },
    })
    expect(await ask()).toBe('ok')
    expect(told).toEqual([expect.stringMatching(/^(?:1\d|20)\d{3}$/)])
  })

  test('http2 is by prior knowledge, and all of the client works on it', async () => {
    const upstream = new Http2Upstream()
    afterwards(() => upstream.close())
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/json' })
      stream.end('{"id":42}')
    }
    connect(await upstream.listen(), { protocol: 'http2' })
    expect(await (await client.fetch('/v1/orders/42')).json()).toEqual({ id: 42 })
    const { body } = await client.request({ path: '/', method: 'POST', body: 'x' })
    expect(await body.json()).toEqual({ id: 42 })
    expect(client.inspect().endpoints).toMatchObject([{ requests: 2, inflight: 0, connections: 1 }])
    await client.close()
    await until(() => upstream.open === 0)
  })
})

test.each(['h2', 'HTTP2', 2])('connections.protocol %j is refused by name', (protocol) => {
  client = createClient('orders', { resolver: fixedResolver(['http://127.0.0.1:1']) })
  expect(() => createClient('orders', { connections: { protocol: protocol as 'auto' } })).toThrow(
    "it must be 'http1', 'http2' or 'auto'",
  )
})
