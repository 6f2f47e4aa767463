import { EventEmitter, once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client, type ClientOptions } from './index.js'
import { afterwards, serve } from './client.test.support.js'

// What is our caller's or our own failure must not count against an endpoint: enough of them to open a circuit
// three times over (`volumeThreshold` 20).
const MANY = 60

let client: Client
afterEach(() => client.dispatcher.destroy())

function connect(origins: readonly string[], options: ClientOptions = {}): Client {
  client = createClient('orders', {
    resolver: fixedResolver(origins),
    logger: { info: ignore, warn: ignore, error: ignore },
    ...options,
  })
  return client
}

function expectNoBlame(): void {
  for (const endpoint of client.inspect().endpoints) {
    expect(endpoint).toMatchObject({ availability: { state: 'available' }, failures: 0, inflight: 0 })
  }
}

const failure = new Error('the source ran dry')

/** Bodies of every kind that fail after their first chunk; each with what is to reach the caller. */
const bodies: Readonly<Record<string, () => { readonly body: unknown; readonly error: unknown }>> = {
  'an async generator': () => ({ body: failing(), error: failure }),
  'a generator': () => ({
    body: (function* () {
      yield 'some'
      throw failure
    })(),
    error: failure,
  }),
  'an iterator that throws nothing': () => ({
    body: (async function* () {
      yield 'some'
      await turn()
      throw undefined as unknown as Error
    })(),
    error: new Error("the body's iterator threw undefined"),
  }),
  'a web stream': () => ({ body: ReadableStream.from(failing()), error: failure }),
  'a Readable': () => ({ body: Readable.from(failing()), error: failure }),
  'a Readable that is destroyed before its end': () => {
    const body = new Readable({ read: ignore })
    body.push('some')
    void turn().then(() => body.destroy())
    return { body, error: expect.objectContaining({ code: 'UND_ERR_ABORTED' }) as unknown }
  },
  'a stream of the old kind': () => ({ body: new OldStream(), error: failure }),
  'invalid chunks': () => ({
    body: (async function* () {
      await turn()
      yield 'some'
      yield 7
    })(),
    error: expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }) as unknown,
  }),
}

describe.each(Object.entries(bodies))('a body that fails by itself: %s', (_, make) => {
  test('opens no circuit, is sent to one endpoint, and fails by its own error', async () => {
    const swallow = (): Promise<string> =>
      serve((request, response) => void request.on('end', () => response.end()).resume())
    connect([await swallow(), await swallow()])
    for (let n = 0; n < MANY; n++) {
      const { body, error } = make()
      const sent = client.request({ path: '/', method: 'PUT', body: body as never })
      await expect(sent).rejects.toEqual(error)
    }
    expectNoBlame()
    const total = client.inspect().endpoints.reduce((sum, { requests }) => sum + requests, 0)
    expect(total).toBe(MANY)
  })
})

describe.each([
  [
    'a head larger than the limit',
    `HTTP/1.1 200 OK\r\nx-large: ${'x'.repeat(5000)}\r\n\r\n`,
    /HEADERS_OVERFLOW|Headers Overflow/,
  ],
])('%s', (_, head, message) => {
  test('is not tried elsewhere, and opens no circuit', async () => {
    const requests: number[] = []
    const origins = await Promise.all([0, 1, 2].map((n) => serveRaw(head, () => requests.push(n))))
    connect(origins, { connections: { maxResponseHeaderBytes: 4096 } })
    for (let n = 0; n < MANY; n++) {
      await expect(client.request({ path: '/' })).rejects.toMatchObject({
        code: 'ATTEMPTS_EXHAUSTED',
        message: expect.stringMatching(message) as unknown,
        cause: expect.any(Error) as unknown,
      })
    }
    expect(requests.length).toBe(MANY)
    expectNoBlame()
  })
})

test('a response that is not valid HTTP is asked for elsewhere, and opens no circuit', async () => {
  const requests: number[] = []
  const head = 'HTTP/1.1 200 OK\r\nbad header\r\n\r\n'
  const origins = await Promise.all([0, 1, 2].map((n) => serveRaw(head, () => requests.push(n))))
  connect(origins)
  for (let n = 0; n < MANY; n++) {
    await expect(client.request({ path: '/' })).rejects.toMatchObject({
      code: 'ATTEMPTS_EXHAUSTED',
      message: expect.stringMatching(/HTTP\/1\.1|Parse/) as unknown,
      cause: expect.any(Error) as unknown,
    })
  }
  expect(requests.length).toBeGreaterThan(MANY)
  expectNoBlame()
})

test('an instance that speaks no HTTP loses its traffic, and no request that may be sent twice', async () => {
  const good = await serve((_, response) => response.end('ok'))
  const bad = await serveRaw('-ERR unknown command\r\n', ignore)
  connect([good, bad], { balancer: 'round_robin' })
  for (let n = 0; n < MANY; n++) {
    const { body } = await client.request({ path: '/' })
    expect(await body.text()).toBe('ok')
  }
  const { endpoints } = client.inspect()
  expect(endpoints.find(({ origin }) => origin === bad)?.availability.state).toBe('unavailable')
})

test('the limit for heads is an option', async () => {
  const origin = await serve((_, response) => response.setHeader('x-large', 'x'.repeat(40_000)).end())
  connect([origin], { connections: { maxResponseHeaderBytes: 65_536 } })
  const { headers, body } = await client.request({ path: '/' })
  await body.dump()
  expect(headers['x-large']?.length).toBe(40_000)
})

test('a deadline that ends a wait for our own limit is not a failure of the endpoint', async () => {
  const origin = await serve(ignore)
  connect([origin], { timeoutMs: 200, connections: { maxPerEndpoint: 1 } })
  const sent = Array.from({ length: MANY }, () => client.request({ path: '/', method: 'POST' }))
  const ended = await Promise.allSettled(sent)
  expect(ended.every(({ status }) => status === 'rejected')).toBe(true)
  const [endpoint] = client.inspect().endpoints
  expect(endpoint?.availability.state).toBe('available')
  // The one that was with the server; another where this process stood still behind its turn.
  expect(endpoint?.failures).toBeLessThan(5)
})

test('a deadline that ends an upload which its caller does not go on with is not a failure either', async () => {
  const origin = await serve((request) => void request.resume())
  connect([origin], { timeoutMs: 100 })
  const stuck = async function* (): AsyncGenerator<string> {
    yield 'some'
    await new Promise(ignore)
  }
  const sent = Array.from({ length: MANY }, (_, n) => {
    const body = n % 2 === 0 ? stuck() : Readable.from(stuck())
    return client.request({ path: '/', method: 'PUT', body: body as Readable })
  })
  const ended = await Promise.allSettled(sent)
  expect(ended.every(({ status }) => status === 'rejected')).toBe(true)
  expectNoBlame()
})

async function* failing(): AsyncGenerator<string> {
  yield 'some'
  await turn()
  throw failure
}

/** As Node's streams were before version 10, and as some libraries make them today. */
class OldStream extends EventEmitter {
  readonly readable = true

  constructor() {
    super()
    void turn().then(() => this.emit('data', Buffer.from('some')))
    void turn()
      .then(() => turn())
      .then(() => this.emit('error', failure))
  }

  pipe(): void {}
  pause(): void {}
  resume(): void {}
}

/** Answers each request with these bytes; returns its origin. */
async function serveRaw(answer: string, onRequest: () => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', ignore)
    socket.on('data', () => {
      onRequest()
      socket.write(answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function ignore(): void {}
