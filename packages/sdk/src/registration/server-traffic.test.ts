import { once } from 'node:events'
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { ServerTraffic, type AnyHttpServer } from './server-traffic.js'

const IDLE_MS = 5000

let clock: ManualClock
let server: AnyHttpServer
let traffic: ServerTraffic
let deadline: AbortController
let ended: boolean
/** The server's ends of the connections. */
let accepted: Socket[]

/** What the server does with a request; by default it answers at once. */
let answer: RequestListener

beforeEach(() => {
  clock = new ManualClock()
  deadline = new AbortController()
  ended = false
  accepted = []
  answer = (request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  }
})

afterEach(async () => {
  for (const client of clients) client.socket.destroy()
  clients.length = 0
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

async function serve(made: AnyHttpServer = createServer()): Promise<void> {
  server = made
  // Nothing but what is tested ends a connection.
  server.keepAliveTimeout = 0
  ;(server as Server).on('request', (request, response) => answer(request, response))
  traffic = new ServerTraffic(server, clock)
  server.on('connection', (socket: Socket) => accepted.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}

function end(idleMs = IDLE_MS): Promise<void> {
  return traffic.end(idleMs, deadline.signal).then(() => void (ended = true))
}

/** A connection by hand, so that it is the test who says what is on it. */
interface RawClient {
  readonly socket: Socket
  readonly received: string
  readonly closed: boolean
  readonly reset: boolean
}

const clients: RawClient[] = []

function follow(socket: Socket): RawClient {
  const client = { socket, received: '', closed: false, reset: false }
  socket.setEncoding('utf8').on('data', (text: string) => (client.received += text))
  socket.on('error', () => (client.reset = true))
  socket.on('close', () => (client.closed = true))
  clients.push(client)
  return client
}

async function open(): Promise<RawClient> {
  const { port } = server.address() as AddressInfo
  const connected = once(server, 'connection')
  const client = follow(connect(port, '127.0.0.1'))
  await connected
  return client
}

const GET = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab'

/** Sends a request and waits for `count` answers in all. */
async function exchange(client: RawClient, request: string, count = 1): Promise<void> {
  client.socket.write(request)
  await answers(client, count)
}

async function answers(client: RawClient, count: number): Promise<void> {
  await until(() => client.received.split('HTTP/1.1 ').length > count && client.received.endsWith('ok'))
}

const listening = (): boolean => server.listening

describe('connections', () => {
  test('that are idle live on, and a request that comes on one is served and told to be the last', async () => {
    await serve()
    const client = await open()
    await exchange(client, GET)
    expect(client.received).toContain('Connection: keep-alive')
    const ending = end()
    await until(() => !listening())
    await clock.advance(IDLE_MS - 1)
    expect(client.closed).toBe(false)
    await exchange(client, POST, 2)
    expect(client.received).toContain('Connection: close')
    await until(() => client.closed)
    expect(client.reset).toBe(false)
    await ending
    expect(clock.pending).toBe(0)
  })

  test('that stay idle are closed after a while, and not before', async () => {
    await serve()
    const used = await open()
    await exchange(used, GET)
    // A browser's, or one of a pool: connected ahead.
    const fresh = await open()
    const ending = end()
    await until(() => !listening())
    await clock.advance(IDLE_MS - 1)
    expect([used.closed, fresh.closed]).toEqual([false, false])
    await clock.advance(200)
    await until(() => used.closed && fresh.closed)
    await ending
  })

  test('on which a head has begun to arrive are not idle', async () => {
    await serve()
    const client = await open()
    const ending = end()
    await until(() => !listening())
    await clock.advance(IDLE_MS - 200)
    client.socket.write('GET / HTTP/1.1\r\n')
    await arrived('GET / HTTP/1.1\r\n'.length)
    await clock.advance(IDLE_MS - 200)
    expect(client.closed).toBe(false)
    await exchange(client, 'host: a\r\n\r\n')
    await until(() => client.closed)
    expect(client.received).toContain('Connection: close')
    await ending
  })

  test('that its clients close are waited for no longer', async () => {
    await serve()
    const client = await open()
    await exchange(client, GET)
    const ending = end()
    await until(() => !listening())
    client.socket.end()
    await ending
    expect(clock.now()).toBe(0)
  })

  test('new ones are refused, and none is needed for the end', async () => {
    await serve()
    const { port } = server.address() as AddressInfo
    await end()
    const refused = connect(port, '127.0.0.1')
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNREFUSED')
  })

  test('of a server that was closed already are waited for as well', async () => {
    await serve()
    const client = await open()
    let release: (() => void) | undefined
    answer = (_, response) => (release = () => response.end('ok'))
    client.socket.write(GET)
    await until(() => release !== undefined)
    server.close()
    const ending = end()
    await clock.advance(60_000)
    expect(ended).toBe(false)
    release?.()
    await ending
    await until(() => client.received.includes('Connection: close'))
  })
})

describe('requests in flight', () => {
  test('finish, however long they take, and say so', async () => {
    await serve()
    const client = await open()
    let release: (() => void) | undefined
    answer = (_, response) => (release = () => response.end('ok'))
    client.socket.write(GET)
    await until(() => release !== undefined)
    const ending = end()
    await until(() => !listening())
    expect(traffic.inflight).toBe(1)
    await clock.advance(10 * IDLE_MS)
    expect(client.closed).toBe(false)
    release?.()
    await until(() => client.closed)
    expect(client.received).toContain('Connection: close')
    await ending
    expect(traffic.inflight).toBe(0)
  })

  test('whose head was sent before leave an idle connection, which may be used once more', async () => {
    await serve()
    const client = await open()
    let release: (() => void) | undefined
    const usual = answer
    answer = (_, response) => {
      response.writeHead(200, { 'content-length': 2 })
      response.write('o')
      release = () => response.end('k')
    }
    client.socket.write(GET)
    await until(() => client.received.includes('o'))
    const ending = end()
    await until(() => !listening())
    release?.()
    await answers(client, 1)
    expect(client.received).toContain('Connection: keep-alive')
    answer = usual
    await exchange(client, GET, 2)
    expect(client.received).toContain('Connection: close')
    await ending
  })

  test('answered at once, or by a head written by hand, say so too', async () => {
    await serve()
    const clients = [await open(), await open()]
    let sync = true
    answer = (_, response) => {
      if (!sync) response.writeHead(200, 'Fine', { 'content-length': 2 })
      response.end('ok')
    }
    const ending = end()
    await until(() => !listening())
    for (const client of clients) {
      await exchange(client, GET)
      expect(client.received).toContain('Connection: close')
      sync = false
    }
    expect(clients[1]?.received).toMatch(/^HTTP\/1.1 200 Fine\r\ncontent-length: 2\r\n/)
    await ending
  })

  test('answered before they have come to their end keep the connection, as its end would be a reset', async () => {
    await serve()
    const client = await open()
    const usual = answer
    answer = (_, response) => response.writeHead(413, { 'content-length': 2 }).end('ok')
    const ending = end()
    await until(() => !listening())
    await exchange(client, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20\r\n\r\nab')
    expect(client.received).toContain('413')
    expect(client.received).not.toContain('Connection: close')
    answer = usual
    await exchange(client, `${'c'.repeat(18)}${GET}`, 2)
    expect(client.received).toContain('Connection: close')
    await until(() => client.closed)
    expect(client.reset).toBe(false)
    await ending
  })

  test('by way of checkContinue count as well', async () => {
    await serve()
    // After gracefulShutdown was called, as any framework may.
    let release: (() => void) | undefined
    ;(server as Server).on('checkContinue', (_, response) => (release = () => response.end('ok')))
    const client = await open()
    client.socket.write('GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n')
    await until(() => release !== undefined)
    const ending = end()
    await until(() => !listening())
    await clock.advance(2 * IDLE_MS)
    expect(client.closed).toBe(false)
    release?.()
    await until(() => client.closed)
    expect(client.received).toContain('Connection: close')
    await ending
  })

  test('are one each where a listener of checkContinue emits their request', async () => {
    await serve()
    let response: ServerResponse | undefined
    answer = (_, given) => (response = given)
    const listener = (request: IncomingMessage, given: ServerResponse): void => {
      given.writeContinue()
      server.emit('request', request, given)
    }
    ;(server as Server).on('checkContinue', listener)
    const client = await open()
    client.socket.write('GET / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n\r\n')
    await until(() => response !== undefined)
    expect(traffic.inflight).toBe(1)
    response?.end()
    await until(() => traffic.inflight === 0)
  })

  test('are aborted at the deadline', async () => {
    await serve()
    const client = await open()
    answer = () => undefined
    client.socket.write(GET)
    await until(() => traffic.inflight === 1)
    const ending = end()
    await until(() => !listening())
    deadline.abort()
    await ending
    await until(() => client.closed)
    expect(clock.pending).toBe(0)
  })

  test('are aborted at once when the deadline has passed before', async () => {
    await serve()
    const client = await open()
    answer = () => undefined
    client.socket.write(GET)
    await until(() => traffic.inflight === 1)
    deadline.abort()
    await end()
    await until(() => client.closed)
    expect(listening()).toBe(false)
  })
})

describe('requests in a pipeline', () => {
  /** Keeps the responses, in the order of their requests. */
  async function holding(): Promise<ServerResponse[]> {
    await serve()
    const held: ServerResponse[] = []
    answer = (_, response) => void held.push(response)
    return held
  }

  test('are not in flight any more when their connection is gone, whichever of them had it', async () => {
    const held = await holding()
    const client = await open()
    client.socket.write(GET + GET + POST + GET)
    await until(() => held.length === 4)
    // The second one is given the connection, and the third is ready in the queue.
    held[2]?.end('ok')
    held[0]?.end('ok')
    await answers(client, 1)
    await until(() => traffic.inflight === 3)
    client.socket.resetAndDestroy()
    await until(() => traffic.inflight === 0)
    await end()
  })

  test('are all answered, and only the last of them ends the connection', async () => {
    const held = await holding()
    const client = await open()
    client.socket.write(GET + POST + GET)
    await until(() => held.length === 3)
    const ending = end()
    await until(() => !listening())
    // One that comes during the drain is the last one then.
    client.socket.write(GET)
    await until(() => held.length === 4)
    for (const response of held) response.end('ok')
    await until(() => client.closed)
    await ending
    const responses = client.received.split(/(?=HTTP\/1\.1 )/)
    expect(responses.map((response) => /Connection: (\S+)/.exec(response)?.[1])).toEqual([
      ...['keep-alive', 'keep-alive', 'keep-alive'],
      'close',
    ])
    expect(responses.every((response) => response.endsWith('ok'))).toBe(true)
    expect(client.reset).toBe(false)
  })

  test('whose last one has its head already leave an idle connection', async () => {
    const held = await holding()
    const client = await open()
    client.socket.write(GET + GET)
    await until(() => held.length === 2)
    held[1]?.writeHead(200, { 'content-length': 2 }).end('ok')
    const ending = end()
    await until(() => !listening())
    held[0]?.end('ok')
    await answers(client, 2)
    expect(client.received).not.toContain('Connection: close')
    client.socket.end()
    await ending
  })
})

test('what has become something else than HTTP is never idle', async () => {
  await serve()
  ;(server as Server).on('upgrade', (_, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    socket.on('end', () => socket.end())
  })
  const client = await open()
  client.socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
  await until(() => client.received.includes('101'))
  const ending = end()
  await until(() => !listening())
  await clock.advance(10 * IDLE_MS)
  expect(client.closed).toBe(false)
  expect(traffic.inflight).toBe(1)
  client.socket.end()
  await ending
})

test('under TLS it is the same', async () => {
  // By a key that both know: TLS without a certificate to make.
  const psk = Buffer.from('a key of this test')
  const tls = { ciphers: 'PSK', maxVersion: 'TLSv1.2' } as const
  await serve(createSecureServer({ ...tls, pskCallback: () => psk }))
  const { port } = server.address() as AddressInfo
  const openTls = async (): Promise<RawClient> => {
    const socket = connectTls({
      ...tls,
      port,
      host: '127.0.0.1',
      pskCallback: () => ({ psk, identity: 'test' }),
      checkServerIdentity: () => undefined,
    })
    const client = follow(socket)
    await once(socket, 'secureConnect')
    return client
  }
  let release: (() => void) | undefined
  const [idle, busy] = [await openTls(), await openTls()]
  await exchange(idle, GET)
  answer = (_, response) => (release = () => response.end('ok'))
  busy.socket.write(GET)
  await until(() => release !== undefined)
  const ending = end()
  await until(() => !listening())
  await clock.advance(IDLE_MS - 1)
  expect([idle.closed, busy.closed]).toEqual([false, false])
  await clock.advance(200)
  await until(() => idle.closed)
  await clock.advance(IDLE_MS)
  expect(busy.closed).toBe(false)
  release?.()
  await until(() => busy.closed)
  expect(busy.received).toContain('Connection: close')
  await ending
})

test('a server that is let go has no listener of ours, and closes as it used to', async () => {
  await serve()
  const before = ['connection', 'request', 'newListener', 'upgrade', 'checkContinue'].map((event) =>
    server.listenerCount(event),
  )
  const second = new ServerTraffic(server, clock)
  second.detach()
  const after = ['connection', 'request', 'newListener', 'upgrade', 'checkContinue'].map((event) =>
    server.listenerCount(event),
  )
  expect(after).toEqual(before)
})

/** Waits until the server has read so many bytes of its one connection. */
async function arrived(bytes: number): Promise<void> {
  await until(() => accepted[0]?.bytesRead === bytes)
}
