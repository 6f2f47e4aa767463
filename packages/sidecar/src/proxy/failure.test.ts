import { once } from 'node:events'
import * as http from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import {
  Gate,
  errorOf,
  UNREACHABLE,
  refusing,
  register,
  Rig,
  serve,
  serveRaw,
  serveText,
  startAgent,
  until,
  type Instance,
} from '../testing/rig.test.support.js'

/** Reads of a request what arrives at once, then dies. */
function dying(): Promise<Instance> {
  return serveRaw((socket) => socket.once('data', () => socket.destroy()))
}

const echo: http.RequestListener = (request, response) => {
  text(request).then(
    (body) => response.end(body),
    () => undefined,
  )
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz'
const SMALL = ALPHABET.repeat(10)
const LARGE = ALPHABET.repeat(20_000)

/** Sends twice, so that each of two instances that take turns comes first once. */
async function twice(rig: Rig, sending: Parameters<Rig['send']>[0]): Promise<void> {
  for (let round = 0; round < 2; round++) {
    const answer = await rig.send(sending)
    expect([answer.status, answer.text]).toEqual([200, sending?.body ?? ''])
  }
}

async function failuresAt(rig: Rig, { port }: Instance): Promise<number | undefined> {
  const { endpoints } = await rig.inspect()
  return endpoints.find(({ origin }) => origin.endsWith(`:${port}`))?.failures
}

describe('an instance that refuses the connection costs no request', () => {
  test.each([
    ['GET', undefined, {}],
    ['POST, short', SMALL, { 'content-length': SMALL.length }],
    ['POST, long', LARGE, { 'content-length': LARGE.length }],
    ['POST, short and chunked', SMALL, { 'transfer-encoding': 'chunked' }],
    ['POST, long and chunked', LARGE, { 'transfer-encoding': 'chunked' }],
  ])('%s', async (_, body, framing) => {
    const gone = await refusing()
    const rig = await Rig.start([gone, await serve(echo)])
    await twice(rig, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { host: 'orders', ...framing },
      ...(body === undefined ? {} : { body }),
    })
    expect(await failuresAt(rig, gone)).toBeGreaterThan(0)
  })
})

describe('an instance that dies before its answer', () => {
  test.each(['GET', 'HEAD', 'OPTIONS', 'DELETE'])('%s goes elsewhere', async (method) => {
    const dead = await dying()
    const rig = await Rig.start([dead, await serve(echo)])
    await twice(rig, { method })
    expect(await failuresAt(rig, dead)).toBeGreaterThan(0)
  })

  test('PUT goes elsewhere with its body, as long as that is short', async () => {
    const dead = await dying()
    const rig = await Rig.start([dead, await serve(echo)])
    await twice(rig, { method: 'PUT', body: SMALL })
    expect(await failuresAt(rig, dead)).toBeGreaterThan(0)
  })

  test.each([
    ['POST', 'POST is not idempotent and may have reached the endpoint', 1, SMALL],
    ['PATCH', 'PATCH is not idempotent and may have reached the endpoint', 1, SMALL],
    ['PUT', 'its body is a stream that was cut, or is longer than 64 KiB', 1, LARGE],
    ['GET', '2 attempts are the most', 2, undefined],
  ])('%s: %s', async (method, why, attempts, body) => {
    const instances = [await dying(), await dying()]
    const rig = await Rig.start(instances)
    const answer = await rig.send({ method, ...(body === undefined ? {} : { body }) })
    expect(answer.status).toBe(502)
    expect(answer.headers).toMatchObject({
      'x-fairlead-error': 'ATTEMPTS_EXHAUSTED',
      'content-type': 'application/json',
    })
    expect(errorOf(answer)).toMatchObject({ error: 'ATTEMPTS_EXHAUSTED', service: 'orders' })
    expect(errorOf(answer).message).toContain(`${method} / to orders at 127.0.0.1:`)
    expect(errorOf(answer).message).toContain(why)
    expect(instances.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(attempts)
    await rig.idle()
  })

  test('the connection of the application lives on', async () => {
    const rig = await Rig.start([await dying()])
    const connection = rig.raw('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi')
    await connection.has('ATTEMPTS_EXHAUSTED')
    connection.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await connection.end()
    expect(connection.statuses).toEqual([502, 400])
  })

  test('HEAD has no body, the failure all the same', async () => {
    const rig = await Rig.start([await dying()])
    const answer = await rig.send({ method: 'HEAD' })
    expect(answer).toMatchObject({ status: 502, text: '' })
    expect(answer.headers['x-fairlead-error']).toBe('ATTEMPTS_EXHAUSTED')
  })
})

describe('a response with a head larger than the limit', () => {
  const large = (bytes: number): Promise<Instance> =>
    serve((_, response) => response.setHeader('x-large', 'x'.repeat(bytes)).end('whole'))

  test.each([
    [undefined, 20_000],
    [1000, 2000],
  ])('limit %s, head of %i bytes: 502, and the flag is named', async (maxResponseHeaderBytes, bytes) => {
    const instances = [await large(bytes), await large(bytes)]
    const rig = await Rig.start(instances, { maxResponseHeaderBytes })
    const answer = await rig.send()
    expect(answer.status).toBe(502)
    expect(answer.headers['x-fairlead-error']).toBe('ATTEMPTS_EXHAUSTED')
    expect(errorOf(answer).message).toContain(
      'another endpoint would answer the same (--max-response-header-bytes)',
    )
    expect(instances.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(1)
  })

  test('passes where the limit is above it', async () => {
    const rig = await Rig.start([await large(20_000)], { maxResponseHeaderBytes: 30_000 })
    // Not by node:http, whose own limit it is above.
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n')
    const said = await connection.end()
    expect(connection.statuses).toEqual([200])
    expect(said).toContain('x'.repeat(20_000))
    expect(said).toContain('whole')
  })
})

describe('an instance that dies within its answer', () => {
  test.each([
    ['of known length', 'Content-Length: 100\r\n\r\nbegun'],
    ['chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n'],
  ])('%s: the connection is cut, as nothing else says that it is not whole', async (_, rest) => {
    const instances = await Promise.all([1, 2].map(() => serveText(`HTTP/1.1 200 OK\r\n${rest}`, false)))
    const rig = await Rig.start(instances)
    const request = http.get({ host: '127.0.0.1', port: rig.port, headers: { host: 'orders' }, agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    const [chunk] = (await once(response, 'data')) as [Buffer]
    expect(chunk.toString()).toBe('begun')
    for (const dying of instances) dying.kill()
    const [error] = (await once(response, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
    expect(response.complete).toBe(false)
    await rig.idle()
    expect(rig.log.filter(({ message }) => message.startsWith('response aborted'))).toHaveLength(1)
    // The head was handed on: too late for another attempt.
    expect(instances.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(1)
  })

  test('to HTTP/1.0: the connection is reset, as there a body may end with its connection', async () => {
    const dying = await serveText(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n',
      false,
    )
    const rig = await Rig.start([dying])
    const connection = rig.raw('GET / HTTP/1.0\r\nHost: orders\r\n\r\n')
    await connection.has('begun')
    const errors = once(connection.socket, 'error')
    dying.kill()
    expect(await errors).toMatchObject([{ code: 'ECONNRESET' }])
    expect(connection.ended).toBe(false)
  })

  test('chunked badly: cut as well', async () => {
    const rig = await Rig.start([
      await serveText(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\nnonsense\r\n',
        false,
      ),
    ])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    const said = await connection.end()
    expect(said).toContain('200 OK')
    expect(said).not.toContain('\r\n0\r\n\r\n')
    await rig.idle()
  })
})

test.each([
  ['nothing', ''],
  ['half a head', 'HTTP/1.1 200 OK\r\nX-A'],
  ['an upgrade that was not requested', 'HTTP/1.1 101 Odd\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
])('an answer that is not a response (%s) is a failed attempt', async (_, answer) => {
  const broken = await serveText(answer)
  const rig = await Rig.start([broken])
  const got = await rig.send()
  expect(got.status).toBe(502)
  expect(got.headers['x-fairlead-error']).toBe('ATTEMPTS_EXHAUSTED')
  expect(await failuresAt(rig, broken)).toBe(2)
  await rig.idle()
})

test.each([
  ['no HTTP', 'garbage\r\n\r\n', 2, 2],
  ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n', 2, 2],
  ['an invalid status', 'HTTP/1.1 2x0 OK\r\n\r\n', 2, 2],
  // It speaks HTTP, and may always answer this route so: tried again, but no failure of the endpoint.
  ['a status below 100', 'HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n', 0, 2],
  ['an invalid length', 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n', 0, 2],
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 0, 2],
  [
    'length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    0,
    2,
  ],
  ['a control character in a header', 'HTTP/1.1 200 OK\r\nX-A: a\u0001b\r\n\r\n', 0, 2],
  // Another endpoint would answer the same.
  ['an endless head', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`, 0, 1],
])('a head that cannot be read: %s', async (_, answer, failures, attempts) => {
  const broken = await serveText(answer)
  const rig = await Rig.start([broken])
  const got = await rig.send()
  expect(got.status).toBe(502)
  expect(got.headers['x-fairlead-error']).toBe('ATTEMPTS_EXHAUSTED')
  expect(await failuresAt(rig, broken)).toBe(failures)
  expect(broken.accepted).toBe(attempts)
  await rig.idle()
})

test('bytes after an answer are not taken for the next one', async () => {
  const rig = await Rig.start([
    await serveRaw((socket) => {
      socket.on('data', () => {
        socket.write(
          'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil',
        )
      })
    }),
  ])
  for (let round = 0; round < 3; round++) expect((await rig.send()).text).toBe('hi')
})

describe('an answer before the end of the upload', () => {
  const early: http.RequestListener = (_, response) => {
    response.writeHead(413, { 'content-length': 4 })
    response.end('much')
  }

  test('arrives, and the connection can be used again', async () => {
    const rig = await Rig.start([await serve(early)])
    const connection = rig.raw(
      'POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    await connection.has('much')
    await rig.idle()
    connection.write('5\r\nworld\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await connection.end()
    expect(connection.statuses).toEqual([413, 400])
  })

  test.each([
    ['of an instance', 'orders', 'much', 413],
    ['of Fairlead, with none of it sent', 'payments', 'NO_ENDPOINTS', 503],
    ['of Fairlead, with no service named', 'localhost', 'BAD_REQUEST', 400],
  ])('the rest of the upload is read and dropped: answer %s', async (_, host, answer, status) => {
    const rig = await Rig.start([await serve(early)])
    // More than all buffers on the way hold.
    const size = 32 * 1024 * 1024
    const connection = rig.raw(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${size}\r\n\r\n`)
    connection.socket.write(Buffer.alloc(100_000))
    await connection.has(answer)
    connection.socket.write(Buffer.alloc(size - 100_000))
    connection.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await connection.end()
    expect(connection.statuses).toEqual([status, 400])
  })

  test('a drain does not wait for the rest', async () => {
    const rig = await Rig.start([await serve(early)], { drainTimeoutMs: 60_000 })
    const connection = rig.raw(
      'POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    await connection.has('much')
    const stopped = rig.sidecar.stop()
    connection.write('0\r\n\r\n')
    expect(await stopped).toBe(true)
  })
})

describe('what Fairlead answers itself', () => {
  test.each([
    [{ headers: { host: 'localhost' } }, 'its Host is "localhost": name the service there'],
    [{ headers: { host: '127.0.0.1:4140' } }, 'its Host is "127.0.0.1:4140"'],
    [{ headers: { host: 'orders.service.eu.consul' } }, 'a datacenter cannot be chosen by name'],
    [{ headers: { host: 'orders' }, method: 'OPTIONS', path: '*' }, 'its target is "*"'],
    [{ headers: { host: 'orders' }, path: 'https://orders/' }, 'its target is "https://orders/"'],
    [{ headers: { host: 'localhost' }, method: 'POST', body: LARGE }, 'its Host is "localhost"'],
  ])('400 BAD_REQUEST: $1', async (sending, message) => {
    const rig = await Rig.start([])
    const answer = await rig.send(sending)
    expect(answer.status).toBe(400)
    expect(answer.headers['x-fairlead-error']).toBe('BAD_REQUEST')
    expect(errorOf(answer).message).toContain(message)
    expect(rig.agent.requests).toEqual([])
  })

  test('400 BAD_REQUEST: a name that can be no service', async () => {
    const rig = await Rig.start([])
    const answer = await rig.send({ headers: { host: 'localhost', 'fairlead-service': '-orders' } })
    expect(answer.status).toBe(400)
    expect(answer.headers['x-fairlead-error']).toBe('BAD_REQUEST')
    expect(errorOf(answer)).toMatchObject({ service: '-orders' })
    expect(errorOf(answer).message).toContain("service is '-orders': it must be the name of a Consul service")
    expect(rig.agent.requests).toEqual([])
  })

  test('503 NO_ENDPOINTS: Consul knows no such service', async () => {
    const rig = await Rig.start([])
    const answer = await rig.send()
    expect(answer.status).toBe(503)
    expect(answer.headers['x-fairlead-error']).toBe('NO_ENDPOINTS')
    expect(errorOf(answer).message).toBe(
      `orders has no endpoint: Consul at ${rig.agent.address} knows no instance of that name (no token: set CONSUL_HTTP_TOKEN, where ACLs are on)`,
    )
  })

  test('503 NO_ENDPOINTS: Consul cannot be reached', async () => {
    const rig = await Rig.start([], { consul: `http://${UNREACHABLE}`, timeoutMs: 1000 })
    const answer = await rig.send({ method: 'POST', body: LARGE })
    expect(answer.status).toBe(503)
    expect(answer.headers['x-fairlead-error']).toBe('NO_ENDPOINTS')
    expect(errorOf(answer).message).toContain(
      `orders has no endpoint yet: Consul at http://${UNREACHABLE} could not be reached`,
    )
  })

  test('503 NO_ENDPOINTS: Consul does not answer', async () => {
    const rig = await Rig.start([], { timeoutMs: 100 })
    rig.agent.silence()
    const answer = await rig.send()
    expect(answer.status).toBe(503)
    expect(errorOf(answer).message).toContain('has not answered yet')
  })

  test('503 UNAVAILABLE', async () => {
    const rig = await Rig.start([await dying()], { panicThreshold: 0 })
    let answer = await rig.send({ method: 'POST', body: SMALL })
    for (let sent = 1; sent < 40 && answer.status === 502; sent++) {
      answer = await rig.send({ method: 'POST', body: SMALL })
    }
    expect(answer.status).toBe(503)
    expect(answer.headers['x-fairlead-error']).toBe('UNAVAILABLE')
    expect(errorOf(answer).message).toContain('all 1 endpoints of orders are unavailable: circuit_open (1)')
  })

  test('503 OVERLOADED', async () => {
    const rig = await Rig.start([await serve(echo)], { maxServices: 1 })
    expect((await rig.send()).status).toBe(200)
    const answer = await rig.send({ headers: { host: 'payments' } })
    expect(answer.status).toBe(503)
    expect(answer.headers['x-fairlead-error']).toBe('OVERLOADED')
    expect(errorOf(answer).message).toContain('payments would be service 2, and --max-services is 1')
    // Those that are known go on.
    expect((await rig.send({ headers: { host: 'ORDERS.service.consul:80' } })).status).toBe(200)
  })

  test.each([
    ['is served', 'misspelt', 200],
    ['is one too many where there is no room any more', 'payments', 503],
  ])('a request whose service makes room while its body comes %s', async (_, other, status) => {
    const agent = await startAgent()
    const [orders, payments] = [await serve(echo), await serve(echo)]
    register(agent, 'payments', payments)
    const rig = await Rig.start([], { maxServices: 1 }, agent)
    const connection = rig.raw('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nh')
    await until(
      'it is known that orders has no instances',
      async () => (await rig.inspect()).freshness === 'fresh',
    )
    const answer = await rig.send({ headers: { host: other } })
    expect(answer.headers['x-fairlead-error']).toBe(other === 'misspelt' ? 'NO_ENDPOINTS' : undefined)
    register(agent, 'orders', orders)
    connection.write('i')
    await until('it is answered', () => connection.statuses.length === 1)
    expect(connection.statuses).toEqual([status])
    if (status === 503) await connection.has('x-fairlead-error: OVERLOADED')
  })

  test('names that Consul does not know make room for one that it does', async () => {
    const rig = await Rig.start([await serve(echo)], { maxServices: 1 })
    expect((await rig.send({ headers: { host: 'misspelt' } })).status).toBe(503)
    expect((await rig.send({ headers: { host: 'misspelt-too' } })).headers['x-fairlead-error']).toBe(
      'NO_ENDPOINTS',
    )
    expect((await rig.send()).status).toBe(200)
    expect((await rig.send({ headers: { host: 'misspelt' } })).headers['x-fairlead-error']).toBe('OVERLOADED')
  })

  test.each([
    ['without a body', undefined],
    ['with one', LARGE],
  ])('504 DEADLINE_EXCEEDED, and the instance is let go: %s', async (_, body) => {
    const closed = new Gate()
    const silent = await serve((request, response) => {
      request.resume().socket.on('close', closed.open)
      if (request.url === '/known') response.end()
    })
    // Time for a machine that stands still for a moment: a request that waits for discovery ends otherwise.
    const rig = await Rig.start([silent], { timeoutMs: 1000 })
    expect((await rig.send({ path: '/known' })).status).toBe(200)
    const answer = await rig.send(body === undefined ? {} : { method: 'POST', body })
    expect(answer.status).toBe(504)
    expect(answer.headers['x-fairlead-error']).toBe('DEADLINE_EXCEEDED')
    expect(errorOf(answer).message).toContain('has no response after 1000 ms (--timeout), attempt 1')
    await closed.opened
    await rig.idle()
  })

  test('a status of the application is passed on, whatever it is', async () => {
    const rig = await Rig.start([await serve((_, response) => response.writeHead(503).end('mine'))])
    const answer = await rig.send()
    expect(answer).toMatchObject({ status: 503, text: 'mine' })
    expect(answer.headers).not.toHaveProperty('x-fairlead-error')
  })

  test('each of them is logged with service, status and code', async () => {
    const rig = await Rig.start([await dying()])
    await rig.send()
    expect(rig.log).toContainEqual({
      level: 'warn',
      fields: { service: 'orders', status: 502, code: 'ATTEMPTS_EXHAUSTED', peer: '127.0.0.1' },
      message: expect.stringContaining('GET / to orders') as string,
    })
  })
})

test('a request before the first snapshot waits for it', async () => {
  const rig = await Rig.start([await serve(echo)])
  rig.agent.silence()
  const answers = Promise.all([rig.send(), rig.send({ method: 'POST', body: LARGE })])
  await until('the agent is asked', () => rig.agent.held > 0)
  rig.agent.speak()
  const [get, post] = await answers
  expect(get.status).toBe(200)
  expect(post.text).toBe(LARGE)
})

test('an instance that is registered later is used, one that is gone is not', async () => {
  const [first, second] = [await serve((_, to) => to.end('1')), await serve((_, to) => to.end('2'))]
  const rig = await Rig.start([first])
  expect((await rig.send()).text).toBe('1')
  await until('the agent holds a query', () => rig.agent.holds('orders'))
  register(rig.agent, 'orders', second)
  await until('the second answers', async () => (await rig.send()).text === '2')
})

test('connections aborted at every point of a request do no harm', async () => {
  const rig = await Rig.start([await serve(echo)])
  const whole =
    'POST /x HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
  const cut = async (length: number, how: (socket: Socket) => void): Promise<void> => {
    const { socket } = rig.raw('')
    await once(socket, 'connect')
    await new Promise<void>((resolve) => socket.write(whole.slice(0, length), () => resolve()))
    how(socket)
    if (!socket.destroyed) await once(socket, 'close')
  }
  await Promise.all(
    Array.from({ length: whole.length }, (_, length) =>
      cut(length + 1, (socket) => (length % 2 === 0 ? socket.resetAndDestroy() : socket.destroy())),
    ),
  )
  expect((await rig.send()).status).toBe(200)
  await rig.idle()
})
