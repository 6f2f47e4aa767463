import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, describe, expect, test } from 'vitest'
import type { Dispatcher } from 'undici'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import type { Resolver } from './discovery/resolver.js'
import { fixedResolver } from './discovery/fixed-resolver.js'
import type { FairleadError } from './errors.js'
import { balancers } from './index.js'
import type { ClientOptions } from './client-options.js'
import { answer, FakeConsul, FakeResolver, healthEntry, instanceAt, ManualClock } from './testing/index.js'
import { until } from './test-support/until.test.support.js'

const cleanups: (() => Promise<unknown> | undefined)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

function client(resolver: Resolver, options: ClientOptions = {}): Client {
  const made = createClient('orders', { resolver, logger: silent, balancer: 'round_robin', ...options })
  cleanups.push(() => made.dispatcher.destroy())
  return made
}

async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler)
  return listen(server)
}

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(async () => {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

let lastPort = 0

/** An address that refuses connections, another one each time: of the lowest ports no system hands one out. */
function refusing(): string {
  lastPort = (lastPort % 6) + 1
  return `http://127.0.0.1:${lastPort}`
}

/** A server that takes a request and breaks the connection instead of answering; counts what it took. */
async function breaker(): Promise<{ origin: string; taken: string[] }> {
  const taken: string[] = []
  const origin = await listen(
    createTcpServer((socket) => {
      socket.once('data', (data) => {
        taken.push(data.toString().split(' ')[0] ?? '')
        socket.destroy()
      })
    }),
  )
  return { origin, taken }
}

const echo: RequestListener = (request, response) => {
  void text(request).then(
    (body) => {
      response.setHeader('content-type', 'application/json')
      response.end(
        JSON.stringify({ method: request.method, url: request.url, host: request.headers.host, body }),
      )
    },
    () => response.destroy(),
  )
}

async function failure(promise: Promise<unknown>): Promise<FairleadError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Error)
  return error as FairleadError
}

describe('the three ways in', () => {
  test('request', async () => {
    const orders = client(fixedResolver([await serve(echo)]))
    const { statusCode, headers, body } = await orders.request({ path: '/v1/orders/42' })
    expect([statusCode, headers['content-type']]).toEqual([200, 'application/json'])
    expect(await body.json()).toMatchObject({ method: 'GET', url: '/v1/orders/42' })
  })

  test('request with a body, a query and opaque', async () => {
    const orders = client(fixedResolver([await serve(echo)]))
    const { body, opaque } = await orders.request({
      path: '/',
      method: 'POST',
      query: { a: 1 },
      body: 'x',
      opaque: 7,
    })
    expect(await body.json()).toMatchObject({ method: 'POST', url: '/?a=1', body: 'x' })
    expect(opaque).toBe(7)
  })

  test('fetch gives a Response of this process', async () => {
    const orders = client(fixedResolver([await serve(echo)]))
    const response = await orders.fetch('/v1/orders/42', { method: 'PUT', body: 'new' })
    expect(response).toBeInstanceOf(Response)
    expect(await response.json()).toMatchObject({ method: 'PUT', url: '/v1/orders/42', body: 'new' })
    expect((await orders.fetch(new URL('http://orders/x'))).status).toBe(200)
  })

  test('the dispatcher, in the global fetch', async () => {
    const origin = await serve(echo)
    const { dispatcher } = client(fixedResolver([origin]))
    const init = { dispatcher }
    for (const url of ['http://orders/a', 'http://ORDERS/a', 'http://orders.service.consul/a']) {
      // On the wire the instance is addressed, as by any client of its own.
      expect(await (await fetch(url, init)).json()).toMatchObject({
        url: '/a',
        host: origin.slice('http://'.length),
      })
    }
  })

  test('the dispatcher with a handler of the newer generation', async () => {
    const orders = client(fixedResolver([await serve(echo)]))
    const heard: string[] = []
    const done = new Promise<void>((resolve, reject) => {
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => heard.push('start'),
        onResponseStart: (controller, statusCode, headers) => {
          heard.push(`${statusCode} ${String(headers['content-type'])}`)
          controller.pause()
          setImmediate(() => controller.resume())
        },
        onResponseData: (_, chunk) => heard.push(chunk.toString()),
        onResponseEnd: () => resolve(),
        onResponseError: (_, error) => reject(error),
      }
      orders.dispatcher.dispatch({ path: '/', method: 'GET' }, handler)
    })
    await done
    expect(heard.slice(0, 2)).toEqual(['start', '200 application/json'])
    expect(heard[2]).toContain('"method":"GET"')
  })

  test('the dispatcher rejects requests to other origins', async () => {
    const { dispatcher } = client(fixedResolver([await serve(echo)]))
    const init = { dispatcher }
    for (const url of ['http://payments/', 'https://orders/', 'http://orders:81/']) {
      const error = await failure(fetch(url, init))
      expect(error.cause).toMatchObject({ code: 'INVALID_OPTION' })
      expect((error.cause as Error).message).toContain('a client of orders serves http://orders only')
    }
  })
})

describe('retry', () => {
  test('a refused connection is tried elsewhere, whatever the method and the body', async () => {
    const orders = client(fixedResolver([refusing(), await serve(echo)]))
    for (let n = 0; n < 4; n++) {
      const { body } = await orders.request({ path: '/', method: 'POST', body: Readable.from(['a', 'b']) })
      expect(await body.json()).toMatchObject({ body: 'ab' })
    }
  })

  test('a GET whose connection breaks is tried elsewhere', async () => {
    const broken = await breaker()
    const orders = client(fixedResolver([broken.origin, await serve(echo)]))
    for (let n = 0; n < 4; n++) expect((await orders.request({ path: '/' })).statusCode).toBe(200)
    expect(broken.taken.length).toBeGreaterThan(0)
  })

  test('a POST whose connection breaks is sent once, and the error says why', async () => {
    const broken = await breaker()
    const orders = client(fixedResolver([broken.origin]))
    const error = await failure(orders.request({ path: '/pay', method: 'POST', body: 'x' }))
    expect(error).toMatchObject({
      code: 'ATTEMPTS_EXHAUSTED',
      service: 'orders',
      endpoint: broken.origin.slice(7),
    })
    expect(error.message).toMatch(
      /^POST \/pay to orders at 127.*: UND_ERR_SOCKET: other side closed; not tried again: POST is not idempotent and may have reached the endpoint$/,
    )
    expect(error.errors).toHaveLength(1)
    expect(broken.taken).toEqual(['POST'])
  })

  test('a POST that is declared idempotent is sent again', async () => {
    const broken = await breaker()
    const orders = client(fixedResolver([broken.origin]))
    await failure(orders.request({ path: '/', method: 'POST', body: 'x', idempotent: true }))
    expect(broken.taken).toEqual(['POST', 'POST'])
  })

  test('with one instance, it is tried again itself', async () => {
    let requests = 0
    const orders = client(
      fixedResolver([
        await serve((request, response) => {
          if (++requests === 1) request.socket.destroy()
          else response.end('ok')
        }),
      ]),
    )
    expect((await orders.request({ path: '/' })).statusCode).toBe(200)
    expect(requests).toBe(2)
  })

  test('ends after the attempts, or at once when it is off', async () => {
    const origins = [refusing(), refusing(), refusing()]
    const three = client(fixedResolver(origins), { retry: { attempts: 3 } })
    const error = await failure(three.request({ path: '/' }))
    expect(error.message).toMatch(
      /failed after 3 attempts: connect ECONNREFUSED .*: 3 attempts are the most$/,
    )
    expect(error.errors).toHaveLength(3)
  })

  test('where it is off, the error is undici’s own and says where: others can retry by its code', async () => {
    const refused = refusing()
    const off = client(fixedResolver([refused]), { retry: false })
    expect(await failure(off.request({ path: '/' }))).toMatchObject({
      code: 'ECONNREFUSED',
      service: 'orders',
      endpoint: refused.slice('http://'.length),
    })
    const broken = await breaker()
    const one = client(fixedResolver([broken.origin]), { retry: { attempts: 1 } })
    expect(await failure(one.request({ path: '/', method: 'POST', body: 'x' }))).toMatchObject({
      name: 'SocketError',
      code: 'UND_ERR_SOCKET',
      service: 'orders',
      endpoint: broken.origin.slice('http://'.length),
    })
  })

  test('of what was written ends with the budget; of what was not, it is free', async () => {
    const budget = { budgetRatio: 0, budgetMinPerSecond: 0 }
    const broken = await breaker()
    const written = client(fixedResolver([broken.origin]), { retry: budget })
    expect((await failure(written.request({ path: '/' }))).message).toMatch(/: the retry budget is spent$/)
    const refused = client(fixedResolver([refusing(), await serve(echo)]), { retry: budget })
    for (let n = 0; n < 20; n++) expect((await refused.request({ path: '/' })).statusCode).toBe(200)
  })

  test('a 500 is a response', async () => {
    let requests = 0
    const origin = await serve((_, response) => {
      requests++
      response.writeHead(500).end('no')
    })
    expect((await client(fixedResolver([origin])).request({ path: '/' })).statusCode).toBe(500)
    expect(requests).toBe(1)
  })

  test('what undici rejects is rejected once, and counts against no endpoint', async () => {
    const orders = client(fixedResolver([refusing(), refusing()]))
    expect(await failure(orders.request({ path: '/a b' }))).toMatchObject({ code: 'UND_ERR_INVALID_ARG' })
    await orders.ready()
    expect(orders.inspect().endpoints.map(({ requests, failures }) => [requests, failures])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  test('an aborted request body is not sent again, and counts against no endpoint', async () => {
    const orders = client(fixedResolver([await serve(echo), await serve(echo)]))
    const body = new Readable({ read: () => undefined })
    body.push('first')
    const pending = failure(orders.request({ path: '/', method: 'PUT', body }))
    await until(() => orders.inspect().endpoints.some(({ inflight }) => inflight > 0))
    body.destroy(new Error('disk failed'))
    expect((await pending).message).toBe('disk failed')
    expect(orders.inspect().endpoints.map(({ failures, inflight }) => [failures, inflight])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })
})

describe('the end of a call', () => {
  test('aborting ends the request on the wire, counts as no endpoint’s failure, and gives the reason', async () => {
    let asked = false
    let closed = false
    const origin = await serve((request) => {
      asked = true
      request.socket.on('close', () => (closed = true))
    })
    const orders = client(fixedResolver([origin]))
    const stop = new AbortController()
    const pending = failure(orders.request({ path: '/', signal: stop.signal }))
    await until(() => asked)
    expect(orders.inspect().endpoints[0]?.inflight).toBe(1)
    stop.abort(new Error('changed my mind'))
    expect((await pending).message).toBe('changed my mind')
    await until(() => closed)
    expect(orders.inspect().endpoints[0]).toMatchObject({ inflight: 0, failures: 0 })
  })

  test('aborted beforehand, nothing is sent', async () => {
    const orders = client(fixedResolver([await serve(echo)]))
    await orders.ready()
    expect(
      (await failure(orders.request({ path: '/', signal: AbortSignal.abort(new Error('no')) }))).message,
    ).toBe('no')
    expect(orders.inspect().endpoints[0]).toMatchObject({ requests: 0 })
  })

  test('no response within the deadline: the endpoint has failed', async () => {
    // By the machine's clock a process that stands still would be what is to blame.
    const clock = new ManualClock()
    let asked = false
    const origin = await serve(() => (asked = true))
    const orders = client(fixedResolver([origin]), { timeoutMs: 50, clock })
    const failed = failure(orders.request({ path: '/slow' }))
    await until(() => asked)
    await clock.advance(50)
    const error = await failed
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
    expect(error.message).toMatch(
      /^GET \/slow to orders at 127.* has no response after 50 ms \(option timeoutMs\), attempt 1$/,
    )
    expect(orders.inspect().endpoints[0]).toMatchObject({ inflight: 0, failures: 1 })
  })

  test.each([
    [{ timeoutMs: -1 }, 'timeoutMs is -1: it must be milliseconds above 0, or Infinity'],
    [{ timeoutMs: '500' }, "timeoutMs is '500': it must be milliseconds above 0, or Infinity"],
    [{ timeoutMs: null }, 'timeoutMs is null: it must be milliseconds above 0, or Infinity'],
    [{ hashKey: 5 }, 'hashKey is 5: it must be text'],
    [{ idempotent: 'no' }, "idempotent is 'no': it must be true or false"],
  ])(
    'of one request, %o is refused: by request, by fetch, and by an API of undici',
    async (option, message) => {
      const orders = client(fixedResolver([await serve((_, response) => response.end())]))
      const refused = { code: 'INVALID_OPTION', message }
      const given = option as { timeoutMs: number }
      expect(await failure(orders.request({ path: '/', ...given }))).toMatchObject(refused)
      expect((await failure(orders.fetch('/', given))).cause).toMatchObject(refused)
      const options = { origin: 'http://orders', path: '/', method: 'GET', ...given } as const
      expect(await failure(orders.dispatcher.request(options))).toMatchObject(refused)
      expect(orders.inspect().endpoints[0]).toMatchObject({ requests: 0 })
    },
  )

  test('the deadline of one request overrides that of the client', async () => {
    const origin = await serve(() => undefined)
    const orders = client(fixedResolver([origin]), { timeoutMs: 60_000 })
    expect(await failure(orders.request({ path: '/', timeoutMs: 30 }))).toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    })
  })

  test('a body that streams renews the deadline with every chunk', async () => {
    let received = 0
    const origin = await serve((request, response) => {
      request.on('data', ({ length }: Buffer) => (received += length)).on('end', () => response.end('whole'))
    })
    const clock = new ManualClock()
    const orders = client(fixedResolver([origin]), { timeoutMs: 100, clock })
    const body = new PassThrough()
    const pending = orders.request({ path: '/', method: 'PUT', body })
    for (let n = 1; n <= 6; n++) {
      body.write('x')
      await until(() => received === n)
      await clock.advance(60)
    }
    body.end()
    expect(await (await pending).body.text()).toBe('whole')
  })

  test('a body that streams no longer ends with the deadline', async () => {
    let received = 0
    const origin = await serve((request) => request.on('data', ({ length }: Buffer) => (received += length)))
    const clock = new ManualClock()
    const orders = client(fixedResolver([origin]), { timeoutMs: 100, clock })
    const body = new PassThrough()
    const pending = failure(orders.request({ path: '/', method: 'PUT', body }))
    body.write('x')
    await until(() => received === 1)
    await clock.advance(100)
    expect(await pending).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  })

  test('the deadline is for the head: a body may take longer', async () => {
    let end: (() => void) | undefined
    const origin = await serve((_, response) => {
      response.write('first ')
      end = () => response.end('last')
    })
    const clock = new ManualClock()
    const { body } = await client(fixedResolver([origin]), { timeoutMs: 75, clock }).request({ path: '/' })
    await clock.advance(150)
    end?.()
    expect(await body.text()).toBe('first last')
  })

  test('in flight ends with the body', async () => {
    let finish: (() => void) | undefined
    const origin = await serve((_, response) => {
      response.write('first')
      finish = () => response.end()
    })
    const orders = client(fixedResolver([origin]))
    const { body } = await orders.request({ path: '/' })
    expect(orders.inspect().endpoints[0]?.inflight).toBe(1)
    finish?.()
    await body.text()
    expect(orders.inspect().endpoints[0]?.inflight).toBe(0)
  })

  test('a response body that is cut off reaches the reader as an error, and is not tried again', async () => {
    let requests = 0
    const origin = await serve((request, response) => {
      requests++
      response.writeHead(200, { 'content-length': '100' })
      response.write('half', () => request.socket.destroy())
    })
    const orders = client(fixedResolver([origin]))
    const { body } = await orders.request({ path: '/' })
    await expect(body.text()).rejects.toThrow('other side closed')
    expect(requests).toBe(1)
    expect(orders.inspect().endpoints[0]?.inflight).toBe(0)
  })
})

describe('without endpoints', () => {
  test('before the first snapshot a request waits for it', async () => {
    const resolver = new FakeResolver()
    const orders = client(resolver)
    const pending = orders.request({ path: '/' })
    resolver.snapshot([instanceAt(await serve(echo))])
    expect((await pending).statusCode).toBe(200)
  })

  test('waits no longer than its deadline, and says what was asked', async () => {
    const resolver = new FakeResolver()
    const orders = client(resolver, { timeoutMs: 30 })
    expect(await failure(orders.request({ path: '/' }))).toMatchObject({
      code: 'NO_ENDPOINTS',
      message: 'orders has no endpoint yet: a fake resolver has not answered yet',
    })
    resolver.stale(new Error('the registry is on fire'))
    expect((await failure(orders.request({ path: '/' }))).message).toBe(
      'orders has no endpoint yet: the registry is on fire',
    )
    expect((await failure(orders.ready({ timeoutMs: 20 }))).message).toBe(
      'orders is not ready after 20 ms: the registry is on fire',
    )
  })

  test('waiting can be aborted', async () => {
    const orders = client(new FakeResolver(), { timeoutMs: 60_000 })
    const stop = new AbortController()
    const pending = failure(orders.request({ path: '/', signal: stop.signal }))
    stop.abort(new Error('enough'))
    expect((await pending).message).toBe('enough')
  })

  test('Consul that cannot be reached, that knows no such service, and that knows no healthy one', async () => {
    const options = { resolver: undefined }
    const away = refusing()
    const clock = new ManualClock()
    const unreachable = client(new FakeResolver(), { ...options, clock, consul: { address: away } })
    const pending = failure(unreachable.request({ path: '/', timeoutMs: 100 }))
    await until(() => unreachable.inspect().reason !== undefined)
    await clock.advance(100)
    expect((await pending).message).toBe(
      `orders has no endpoint yet: Consul at ${away} could not be reached: connect ECONNREFUSED ${away.slice(7)}`,
    )
    const critical = { CheckID: 'c', Status: 'critical', ServiceID: '' }
    const empty = await FakeConsul.start(answer(1, []))
    const agent = await FakeConsul.start(answer(1, [healthEntry(1, { checks: [critical] })]))
    cleanups.push(() => Promise.all([empty.close(), agent.close()]))
    const unknown = client(new FakeResolver(), { ...options, consul: { address: empty.address } })
    expect((await failure(unknown.request({ path: '/' }))).message).toBe(
      `orders has no endpoint: Consul at ${empty.address} knows no instance of that name (no token: set CONSUL_HTTP_TOKEN, where ACLs are on)`,
    )
    const sick = client(new FakeResolver(), { ...options, consul: { address: agent.address } })
    expect((await failure(sick.request({ path: '/' }))).message).toBe(
      `orders has no endpoint: Consul at ${agent.address} knows 1, none of them usable: node-1/orders-1@10.0.0.1:1 (critical)`,
    )
  })

  test('every circuit open', async () => {
    const origins = [refusing(), refusing()]
    const orders = client(fixedResolver(origins), {
      panicThreshold: 0,
      breaker: { volumeThreshold: 2, resetMs: 60_000 },
    })
    for (let n = 0; n < 3; n++) await failure(orders.request({ path: '/' }))
    expect(await failure(orders.request({ path: '/' }))).toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /^all 2 endpoints of orders are unavailable: circuit_open \(2\), the first until \d+ ms from now$/,
      ) as unknown,
    })
    expect(orders.inspect().endpoints.map(({ availability }) => availability)).toMatchObject(
      Array(2).fill({ state: 'unavailable', reason: 'circuit_open', panic: 'none' }),
    )
  })
})

describe('updates', () => {
  test('connections and load survive, what is removed finishes its requests', async () => {
    let finish: (() => void) | undefined
    const slow = instanceAt(await serve((_, response) => (finish = () => response.end('late'))))
    const fast = instanceAt(await serve(echo))
    const resolver = new FakeResolver()
    const orders = client(resolver)
    resolver.snapshot([slow])
    const pending = orders.request({ path: '/' })
    await until(() => finish !== undefined)
    resolver.snapshot([{ ...slow, weight: 5 }])
    await until(() => orders.inspect().endpoints[0]?.weight === 5)
    expect(orders.inspect().endpoints[0]).toMatchObject({ inflight: 1, requests: 1 })
    resolver.snapshot([fast])
    await until(() => orders.inspect().endpoints[0]?.key === fast.key)
    for (let n = 0; n < 3; n++) expect((await orders.request({ path: '/' })).statusCode).toBe(200)
    finish?.()
    expect(await (await pending).body.text()).toBe('late')
  })

  test('a new instance is taken for as fast as its peers, also while those have answered but a few requests', async () => {
    const resolver = new FakeResolver()
    const orders = client(resolver)
    const known = instanceAt(await serve((_, response) => void setTimeout(() => response.end(), 20)))
    resolver.snapshot([known])
    await (await orders.request({ path: '/' })).body.dump()
    resolver.snapshot([known, instanceAt(refusing())])
    await until(() => orders.inspect().endpoints.length === 2)
    const [old, fresh] = orders.inspect().endpoints.map(({ latencyMs }) => latencyMs)
    expect(old).toBeGreaterThan(15)
    // Of one sample: a moment's decay apart, however long that took.
    expect((fresh ?? NaN) / (old ?? NaN)).toBeCloseTo(1, 1)
  })

  test('staleness is reported, and the last set goes on serving', async () => {
    const resolver = new FakeResolver()
    const warnings: string[] = []
    const logger = { ...silent, warn: (_: object, message: string) => warnings.push(message) }
    const orders = client(resolver, { logger })
    resolver.snapshot([instanceAt(await serve(echo))])
    await orders.ready()
    resolver.stale(new Error('agent gone'))
    resolver.stale(new Error('agent still gone'))
    await until(() => orders.inspect().reason === 'agent still gone')
    expect(orders.inspect().freshness).toBe('stale')
    expect((await orders.request({ path: '/' })).statusCode).toBe(200)
    expect(warnings).toEqual(['discovery failed; serving the last known instances; retrying'])
  })

  test('clients that are given the same resolver share one watch', async () => {
    const resolver = new FakeResolver()
    const [a, b] = [client(resolver), client(resolver)]
    resolver.snapshot([instanceAt(refusing())])
    await Promise.all([a.ready(), b.ready()])
    expect(resolver.watching).toBe(1)
  })
})

describe('closing', () => {
  test('lets requests in flight finish, takes no new ones, and stops the watch', async () => {
    let finish: (() => void) | undefined
    const resolver = new FakeResolver()
    const orders = client(resolver)
    resolver.snapshot([instanceAt(await serve((_, response) => (finish = () => response.end('late'))))])
    const pending = orders.request({ path: '/' })
    await until(() => finish !== undefined)
    const closed = orders.close()
    expect(await failure(orders.request({ path: '/' }))).toMatchObject({ code: 'CLIENT_CLOSED' })
    finish?.()
    expect(await (await pending).body.text()).toBe('late')
    await closed
    await until(() => resolver.watching === 0)
    await orders.close()
  })

  test('destroying aborts what is in flight and what waits', async () => {
    let asked = false
    const hanging = client(fixedResolver([await serve(() => (asked = true))]))
    const written = failure(hanging.request({ path: '/', method: 'POST', body: 'x' }))
    await until(() => asked)
    const connecting = failure(hanging.request({ path: '/' }))
    await hanging.dispatcher.destroy(new Error('over'))
    expect((await written).message).toBe('over')
    expect((await connecting).message).toBe('over')
    expect(await failure(hanging.ready())).toMatchObject({ code: 'CLIENT_CLOSED' })
    const waiting = client(new FakeResolver())
    const waits = failure(waiting.request({ path: '/' }))
    const ready = failure(waiting.ready())
    await waiting.dispatcher.destroy()
    expect(await waits).toMatchObject({ code: 'CLIENT_CLOSED' })
    expect(await ready).toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('destroying aborts what is in flight on instances that are gone as well', async () => {
    let asked = false
    const resolver = new FakeResolver()
    const orders = client(resolver)
    resolver.snapshot([instanceAt(await serve(() => (asked = true)))])
    const pending = failure(orders.request({ path: '/', method: 'POST', body: 'x' }))
    await until(() => asked)
    resolver.snapshot([])
    await until(() => orders.inspect().endpoints.length === 0)
    await orders.dispatcher.destroy(new Error('over'))
    expect((await pending).message).toBe('over')
  })

  test('await using', async () => {
    const resolver = new FakeResolver()
    {
      await using orders = createClient('orders', { resolver, logger: silent })
      resolver.snapshot([])
      await orders.ready()
      expect(resolver.watching).toBe(1)
    }
    await until(() => resolver.watching === 0)
  })

  test('as undici does it, with callbacks', async () => {
    const { dispatcher } = client(fixedResolver([]))
    await new Promise<void>((resolve) => dispatcher.close(resolve))
    await new Promise<void>((resolve) => dispatcher.destroy(resolve))
  })
})

describe('what users bring along', () => {
  test('peak_ewma gets to know every instance, also one request at a time', async () => {
    const origins = await Promise.all([serve(echo), serve(echo), serve(echo)])
    const orders = client(fixedResolver(origins), { balancer: 'peak_ewma' })
    for (let n = 0; n < 60; n++) await (await orders.request({ path: '/' })).body.dump()
    expect(Math.min(...orders.inspect().endpoints.map(({ requests }) => requests))).toBeGreaterThanOrEqual(10)
  })

  test('a balancer that throws costs a request, not the process', async () => {
    const orders = client(fixedResolver([await serve(echo)]), {
      balancer: () => ({
        pick() {
          throw new Error('off by one')
        },
      }),
    })
    expect((await failure(orders.request({ path: '/' }))).message).toBe('off by one')
    await orders.close()
  })

  test('in a panic requests are sent whatever the circuits say, and a probe closes them', async () => {
    let status = 500
    const origin = await serve((_request, response) => response.writeHead(status).end())
    const orders = client(fixedResolver([origin]), { breaker: { volumeThreshold: 2, resetMs: 2000 } })
    const ask = async (): Promise<number> => {
      const { statusCode, body } = await orders.request({ path: '/' })
      await body.dump()
      return statusCode
    }
    for (let n = 0; n < 5; n++) expect(await ask()).toBe(500)
    expect(orders.inspect()).toMatchObject({
      prioritiesInPanic: [0],
      endpoints: [{ availability: { state: 'unavailable' } }],
    })
    status = 200
    expect(await ask()).toBe(200)
    const deadline = performance.now() + 10_000
    while (orders.inspect().endpoints[0]?.availability.state !== 'available') {
      expect(performance.now()).toBeLessThan(deadline)
      await ask()
    }
    expect(orders.inspect()).toMatchObject({ prioritiesInPanic: [] })
  })

  test('a balancer that ignores open circuits gets UNAVAILABLE for it', async () => {
    const origins = [refusing()]
    const orders = client(fixedResolver(origins), {
      balancer: (endpoints) => ({ pick: () => endpoints[0] }),
      panicThreshold: 0,
      breaker: { volumeThreshold: 1, resetMs: 60_000 },
      retry: false,
    })
    await failure(orders.request({ path: '/' }))
    await failure(orders.request({ path: '/' }))
    expect(await failure(orders.request({ path: '/' }))).toMatchObject({ code: 'UNAVAILABLE' })
  })

  test.each(Object.keys(balancers) as (keyof typeof balancers)[])(
    'balancer %s, 200 requests at once',
    async (balancer) => {
      const origins = await Promise.all([serve(echo), serve(echo), serve(echo)])
      const orders = client(fixedResolver(origins), { balancer })
      await Promise.all(
        Array.from({ length: 200 }, async () => (await orders.request({ path: '/' })).body.dump()),
      )
      const { endpoints } = orders.inspect()
      expect(endpoints.map(({ inflight }) => inflight)).toEqual([0, 0, 0])
      expect(endpoints.reduce((sum, { requests }) => sum + requests, 0)).toBe(200)
      expect(Math.min(...endpoints.map(({ requests }) => requests))).toBeGreaterThan(20)
    },
  )
})

test('a raw socket as a sanity check of these servers', async () => {
  const { port } = new URL(await serve(echo))
  const socket = connect(Number(port), '127.0.0.1')
  socket.end('GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  expect(await text(socket)).toContain('200 OK')
})
