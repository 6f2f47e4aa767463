import { createServer, type RequestListener, type Server } from 'node:http'
import { createSecureServer } from 'node:http2'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { afterwards, serve } from './client.test.support.js'
import { Authority, pemOf } from './consul/authority.test.support.js'
import { createClient, fixedResolver, type Client, type ClientOptions } from './index.js'
import { until } from './test-support/until.test.support.js'
import { FakeResolver, instanceAt, ManualClock } from './testing/index.js'
import { Http2Upstream } from './transport/http2.test.support.js'

// Often, so that a test takes no time; the thresholds are those of a user who has set none.
const OFTEN = { intervalMs: 100, timeoutMs: 5000 }

let client: Client
let lines: string[]

beforeEach(() => (lines = []))
afterEach(() => client.dispatcher.destroy())

function connect(origins: readonly string[], options: ClientOptions): void {
  const log = (fields: object, message: string): void =>
    void lines.push(`${message} ${JSON.stringify(fields)}`)
  client = createClient('orders', {
    resolver: fixedResolver(origins),
    balancer: 'round_robin',
    logger: { info: log, warn: log, error: log },
    retry: false,
    ...options,
  })
}

/** What each endpoint is not available by. */
function reasons(): (string | undefined)[] {
  return client.inspect().endpoints.map(({ availability }) => availability.reason)
}

async function ask(): Promise<string> {
  const { body } = await client.request({ path: '/' })
  return body.text()
}

/** Answers with its name, and counts what it is asked: for its health, and for anything else. */
class Named {
  checks = 0
  requests = 0
  status = 200
  readonly answer: RequestListener = (request, response) => {
    const isCheck = request.url === '/health'
    if (isCheck) this.checks++
    else this.requests++
    response.writeHead(isCheck ? this.status : 200).end(this.#name)
  }
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }
}

describe('by HTTP', () => {
  test('an endpoint that says it is unhealthy is sent no request until it is well again', async () => {
    const [a, b] = [new Named('a'), new Named('b')]
    connect([await serve(a.answer), await serve(b.answer)], {
      healthCheck: { type: 'http', path: '/health', ...OFTEN },
    })
    await until(() => a.checks > 0 && b.checks > 0)
    expect(reasons()).toEqual([undefined, undefined])
    b.status = 503
    await until(() => reasons()[1] === 'health_check_failed')
    for (let n = 0; n < 20; n++) expect(await ask()).toBe('a')
    expect([a.requests, b.requests]).toEqual([20, 0])
    expect(lines.slice(1)).toEqual([
      expect.stringMatching(/^an active health check failed .*GET \/health was answered with 503/) as unknown,
      expect.stringMatching(
        /^endpoint unavailable \(health_check_failed\); requests go elsewhere/,
      ) as unknown,
    ])
    const { checks } = b
    b.status = 200
    await until(() => reasons()[1] === undefined)
    expect(b.checks - checks).toBeGreaterThanOrEqual(2)
    expect(lines.at(-1)).toContain('endpoint available again (health_check_failed is over)')
    await ask()
    await ask()
    expect(b.requests).toBe(1)
    // Checks are no requests of the client's.
    expect(client.inspect().endpoints[1]).toMatchObject({ requests: 1, failures: 0, inflight: 0 })
  })

  test('where all are unhealthy, all are used (panic)', async () => {
    const [a, b] = [new Named('a'), new Named('b')]
    a.status = b.status = 500
    connect([await serve(a.answer), await serve(b.answer)], {
      healthCheck: { type: 'http', path: '/health', ...OFTEN },
    })
    await until(() => reasons().every((reason) => reason !== undefined))
    expect([await ask(), await ask()].sort()).toEqual(['a', 'b'])
  })

  test('without panic they fail at once, and the error says why', async () => {
    const a = new Named('a')
    a.status = 500
    connect([await serve(a.answer)], {
      healthCheck: { type: 'http', path: '/health', ...OFTEN },
      panicThreshold: 0,
    })
    await until(() => reasons()[0] !== undefined)
    await expect(ask()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('health_check_failed (1)') as unknown,
    })
  })

  test.each(['http2', 'auto'] as const)('over %s as well, and TLS', async (protocol) => {
    const folder = mkdtempSync(join(tmpdir(), 'fairlead-checks-'))
    const authority = new Authority(folder, 'authority')
    let status = 200
    const versions: string[] = []
    const server = createSecureServer(pemOf(authority.issue('server', '127.0.0.1')), (request, response) => {
      versions.push(request.httpVersion)
      response.writeHead(status).end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    afterwards(() => {
      server.close()
      rmSync(folder, { recursive: true })
    })
    connect([`https://127.0.0.1:${(server.address() as AddressInfo).port}`], {
      healthCheck: { type: 'http', path: '/health', ...OFTEN },
      connections: { protocol, tls: { ca: readFileSync(authority.certFile) } },
    })
    await until(() => versions.length > 0)
    expect(versions[0]).toBe('2.0')
    status = 503
    await until(() => reasons()[0] === 'health_check_failed')
    status = 200
    await until(() => reasons()[0] === undefined)
    await client.dispatcher.destroy()
  })
})

test('by TCP: an endpoint that goes and comes back, without a request that fails', async () => {
  const [a, b] = [new Named('a'), new Named('b')]
  const first = await serve(a.answer)
  let second: Server = createServer(b.answer).listen(0, '127.0.0.1')
  await once(second, 'listening')
  const { port } = second.address() as AddressInfo
  connect([first, `http://127.0.0.1:${port}`], { healthCheck: { type: 'tcp', ...OFTEN } })
  await client.ready()
  second.closeAllConnections()
  second.close()
  await until(() => reasons()[1] === 'health_check_failed')
  expect(lines[1]).toContain('ECONNREFUSED')
  for (let n = 0; n < 20; n++) expect(await ask()).toBe('a')
  expect(client.inspect().endpoints[1]).toMatchObject({ requests: 0, failures: 0 })
  second = createServer(b.answer).listen(port, '127.0.0.1')
  afterwards(() => {
    second.closeAllConnections()
    second.close()
  })
  await until(() => reasons()[1] === undefined)
  expect([await ask(), await ask()].sort()).toEqual(['a', 'b'])
})

test('by gRPC, in clear, whatever the protocol of the requests is', async () => {
  for (const protocol of ['http1', 'http2'] as const) {
    const upstream = new Http2Upstream()
    afterwards(() => upstream.close())
    let status = 1
    const paths: string[] = []
    upstream.server.on('stream', (stream, head) => {
      paths.push(String(head[':path']))
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.from([0, 0, 0, 0, 2, 8, status]))
    })
    connect([await upstream.listen()], {
      healthCheck: { type: 'grpc', service: 'orders.v1.Orders', ...OFTEN },
      connections: { protocol },
    })
    await until(() => paths.length > 0)
    expect(paths[0]).toBe('/grpc.health.v1.Health/Check')
    status = 2
    await until(() => reasons()[0] === 'health_check_failed')
    expect(lines[1]).toContain('the gRPC health check says NOT_SERVING')
    status = 1
    await until(() => reasons()[0] === undefined)
    await client.dispatcher.destroy()
    lines = []
  }
})

describe('the checks', () => {
  const healthCheck = { type: 'http', path: '/health', intervalMs: 1000, intervalJitterPercent: 0 } as const

  /** A client whose time is the test's, and what it asks. */
  async function timed(options: ClientOptions = {}): Promise<{ a: Named; clock: ManualClock }> {
    const [a, clock] = [new Named('a'), new ManualClock()]
    connect([await serve(a.answer)], { clock, healthCheck, ...options })
    await client.ready()
    return { a, clock }
  }

  test('leave alone what gets requests', async () => {
    const { a, clock } = await timed()
    for (let n = 0; n < 5; n++) {
      await ask()
      await clock.advance(1000)
    }
    expect(a.checks).toBe(0)
    await clock.advance(1000)
    await until(() => a.checks === 1)
  })

  test('unless they are to come always', async () => {
    const { a, clock } = await timed({ healthCheck: { ...healthCheck, always: true } })
    await ask()
    await clock.advance(1000)
    await until(() => a.checks === 1)
  })

  test('end while the client is idle, and begin again with its next request', async () => {
    const { a, clock } = await timed({ idleMs: 60_000 })
    await clock.advance(200_000)
    expect(client.inspect().freshness).toBe('idle')
    const { checks } = a
    await clock.advance(100_000)
    expect(a.checks).toBe(checks)
    await ask()
    await clock.advance(2000)
    await until(() => a.checks > checks)
  })

  test('end with the client', async () => {
    const { a, clock } = await timed()
    await client.close()
    await clock.advance(10_000)
    expect([a.checks, clock.pending]).toEqual([0, 0])
  })

  test('end for an endpoint that has left', async () => {
    const [a, b, clock, resolver] = [new Named('a'), new Named('b'), new ManualClock(), new FakeResolver()]
    const origins = [await serve(a.answer), await serve(b.answer)]
    connect([], { clock, healthCheck, resolver, removal: false })
    resolver.snapshot(origins.map((origin) => instanceAt(origin)))
    await client.ready()
    await clock.advance(1000)
    await until(() => a.checks === 1 && b.checks === 1)
    resolver.snapshot([instanceAt(origins[0] ?? '')])
    await until(() => client.inspect().endpoints.length === 1)
    await clock.advance(1000)
    await until(() => a.checks === 2)
    expect(b.checks).toBe(1)
  })
})
