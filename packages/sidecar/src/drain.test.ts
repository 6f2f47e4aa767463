import { once } from 'node:events'
import * as http from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { systemClock, type Clock, type Timer } from '@fairlead/sdk'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Clients } from './clients.js'
import { drain, drainOf } from './drain.js'
import {
  CONFIG,
  Connection,
  Gate,
  quiet,
  received,
  errorOf,
  Rig,
  serve,
  until,
} from './testing/rig.test.support.js'

// Far beyond what a test may take: who waits for it has not drained.
const PATIENT = { drainTimeoutMs: 60_000 }

const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'

/** A sidecar before an instance that answers once `answer` opens. */
async function waiting(
  config: { readonly drainTimeoutMs: number },
  begin = false,
): Promise<{ readonly rig: Rig; readonly answer: Gate }> {
  const answer = new Gate()
  const rig = await Rig.start(
    [
      await serve((request, response) => {
        if (request.url === '/quick') {
          response.end('quick')
          return
        }
        if (begin) response.write('begun ')
        void answer.opened.then(() => response.end('done'))
      }),
    ],
    config,
  )
  return { rig, answer }
}

const isRefused = (error: unknown): boolean => String(error).includes('ECONNREFUSED')

describe('a drain', () => {
  test('lets requests in flight finish, and closes their connections', async () => {
    const { rig, answer } = await waiting(PATIENT)
    const connection = rig.raw(GET)
    await until('it is in flight', async () => (await rig.inflight()) === 1)
    const stopped = rig.sidecar.stop()

    const ready = await rig.admin('/readyz')
    expect(ready.status).toBe(503)
    expect(JSON.parse(ready.text)).toEqual({ ready: false, draining: true, waiting: [] })
    expect((await rig.admin('/healthz')).status).toBe(200)
    await expect(rig.send()).rejects.toThrow('ECONNREFUSED')

    answer.open()
    const said = await connection.end()
    expect(said).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(said).toMatch(/\r\nConnection: close\r\n/i)
    expect(said).toContain('done')
    expect(await stopped).toBe(true)
    expect(rig.log.at(-1)).toMatchObject({
      level: 'info',
      message: expect.stringContaining('drained') as string,
    })
    await expect(rig.admin('/healthz')).rejects.toThrow('ECONNREFUSED')
  })

  test('a response that has begun finishes; its connection does not outlive it', async () => {
    const { rig, answer } = await waiting(PATIENT, true)
    const connection = rig.raw(GET)
    await connection.has('begun')
    const stopped = rig.sidecar.stop()
    answer.open()
    const said = await connection.end()
    expect(said).toContain('done')
    expect(said.endsWith('0\r\n\r\n')).toBe(true)
    expect(await stopped).toBe(true)
  })

  test('an upload in flight finishes', async () => {
    const rig = await Rig.start([await serve((request, response) => void request.pipe(response))], PATIENT)
    const request = http.request({
      host: '127.0.0.1',
      port: rig.port,
      method: 'POST',
      headers: { host: 'orders' },
      agent: false,
    })
    const answer = received(request)
    request.write('one ')
    await until('it is in flight', async () => (await rig.inflight()) === 1)
    const stopped = rig.sidecar.stop()
    request.end('two')
    expect((await answer).text).toBe('one two')
    expect(await stopped).toBe(true)
  })

  test('closes connections that are idle', async () => {
    const { rig } = await waiting(PATIENT)
    const agent = new http.Agent({ keepAlive: true })
    onTestFinished(() => agent.destroy())
    expect((await rig.send({ path: '/quick', agent })).text).toBe('quick')
    expect(Object.keys(agent.freeSockets)).toHaveLength(1)
    expect(await rig.sidecar.stop()).toBe(true)
  })

  test('does not wait for a connection on which nothing was ever sent', async () => {
    const { rig } = await waiting(PATIENT)
    const connection = rig.raw('')
    await once(connection.socket, 'connect')
    // The sidecar has accepted it once it has answered a later one.
    await rig.send({ path: '/quick' })
    expect(await rig.sidecar.stop()).toBe(true)
    await connection.end()
  })

  test('a request on a connection that was idle is answered, and ends it', async () => {
    const { rig } = await waiting(PATIENT)
    const connection = rig.raw('GET /quick HTTP/1.1\r\nHost: orders\r\n\r\n')
    await connection.has('quick')
    const stopped = rig.sidecar.stop()
    await until('it takes no new connections', () =>
      rig.send({ path: '/quick' }).then(() => false, isRefused),
    )
    // Nothing has told its client yet that it should not be used any more.
    connection.write('POST /quick HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi')
    const said = await connection.end()
    expect(said.match(/HTTP\/1\.1 200 OK\r\n/g)).toHaveLength(2)
    expect(said).toMatch(/\r\nConnection: close\r\n/i)
    expect(await stopped).toBe(true)
  })

  test('what is in flight outlasts the sweeps for what is not', async () => {
    // What is idle is closed after half of the drain's time, before a request without an answer would fail.
    const { rig, answer } = await waiting({ drainTimeoutMs: 4000 })
    const silent = rig.raw('')
    await once(silent.socket, 'connect')
    const connection = rig.raw(GET)
    await until('it is in flight', async () => (await rig.inflight()) === 1)
    const stopped = rig.sidecar.stop()
    // Closed by a sweep: so there has been one.
    await silent.end()
    answer.open()
    expect(await connection.end()).toContain('done')
    expect(await stopped).toBe(true)
  })

  test.each([
    [60_000, true],
    [1, false],
  ])('leaves no timer behind (%i ms)', async (timeoutMs, drained) => {
    const timers = new Set<Timer>()
    const clock: Clock = {
      ...systemClock,
      setTimer(callback, delayMs) {
        const timer = systemClock.setTimer(() => {
          timers.delete(timer)
          callback()
        }, delayMs)
        timers.add(timer)
        return timer
      },
      clearTimer(timer) {
        timers.delete(timer)
        systemClock.clearTimer(timer)
      },
    }
    const server = http.createServer((_, response) => drained && response.end())
    const connections = new Set<Socket>()
    server.on('connection', (socket: Socket) => {
      connections.add(socket)
      socket.once('close', () => connections.delete(socket))
    })
    const shutdown = drainOf(server, timeoutMs, quiet, clock)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const request = http.get({
      port: (server.address() as AddressInfo).port,
      host: '127.0.0.1',
      agent: false,
    })
    request.on('error', () => undefined)
    await once(server, 'request')
    const clients = new Clients({ ...CONFIG, services: [] }, quiet, systemClock)
    expect(await drain(shutdown, clients, quiet)).toBe(drained)
    expect(timers.size).toBe(0)
    await until('its connections are closed', () => connections.size === 0)
  })

  test('answers all requests of a pipeline, waiting or run, and only the last one says close', async () => {
    const { rig, answer } = await waiting(PATIENT)
    const post = 'POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi'
    const running = rig.raw(GET + GET + GET)
    const queued = rig.raw(post + post + GET)
    await until('they are in flight', async () => (await rig.inflight()) === 4)
    const stopped = rig.sidecar.stop()
    await until('it takes no new connections', () =>
      rig.send({ path: '/quick' }).then(() => false, isRefused),
    )
    answer.open()
    for (const connection of [running, queued]) {
      const said = await connection.end()
      expect(connection.statuses).toEqual([200, 200, 200])
      expect(said.match(/\r\nConnection: \S+/gi)?.map((header) => header.slice(14))).toEqual([
        ...['keep-alive', 'keep-alive'],
        'close',
      ])
    }
    expect(await stopped).toBe(true)
  })

  test('runs nothing behind a response that says close and still waits to be written', async () => {
    const { rig, answer } = await waiting({ drainTimeoutMs: 5000 })
    const connection = rig.raw(GET)
    await until('it is in flight', async () => (await rig.inflight()) === 1)
    const stopped = rig.sidecar.stop()
    await until('it takes no new connections', () =>
      rig.send({ path: '/quick' }).then(() => false, isRefused),
    )
    connection.write('GET /quick HTTP/1.1\r\nHost: orders\r\n\r\n')
    await until('the second is answered', async () => (await rig.inspect()).endpoints[0]?.requests === 2)
    await rig.admin('/healthz')
    connection.write('GET /quick HTTP/1.1\r\nHost: orders\r\n\r\n')
    for (let round = 0; round < 3; round++) await rig.admin('/healthz')
    expect((await rig.inspect()).endpoints[0]?.requests).toBe(2)
    answer.open()
    await connection.end()
    expect(connection.statuses).toEqual([200, 200])
    expect(await stopped).toBe(true)
  })

  test('waits for a request whose head is still on its way, and answers it', async () => {
    const { rig } = await waiting(PATIENT)
    const connection = rig.raw('GET /quick HTTP/1.1\r\n')
    await rig.send({ path: '/quick' })
    const stopped = rig.sidecar.stop()
    connection.write('Host: orders\r\n\r\n')
    const said = await connection.end()
    expect(said).toContain('quick')
    expect(said).toMatch(/\r\nConnection: close\r\n/i)
    expect(await stopped).toBe(true)
  })

  test('its own answers close their connections as well', async () => {
    const { rig } = await waiting(PATIENT)
    const connection = rig.raw('GET / HTTP/1.1\r\n')
    await rig.send({ path: '/quick' })
    const stopped = rig.sidecar.stop()
    connection.write('Host: localhost\r\n\r\n')
    expect(await connection.end()).toMatch(/^HTTP\/1\.1 400[^]*\r\nConnection: close\r\n/i)
    expect(await stopped).toBe(true)
  })

  test('aborts at the deadline what is left, and says so', async () => {
    const { rig } = await waiting({ drainTimeoutMs: 50 }, true)
    const connection = rig.raw(GET)
    await connection.has('begun')
    expect(await rig.sidecar.stop()).toBe(false)
    const said = await connection.end()
    expect(said).toContain('begun')
    expect(said.endsWith('0\r\n\r\n')).toBe(false)
    expect(rig.log).toContainEqual({
      level: 'warn',
      fields: { inflight: 1, deadlineMs: 50 },
      message: expect.stringContaining('have not finished') as string,
    })
    expect(rig.log.at(-1)).toMatchObject({
      level: 'warn',
      message: expect.stringContaining('--drain-timeout') as string,
    })
    await expect(rig.admin('/healthz')).rejects.toThrow('ECONNREFUSED')
  })

  test('aborts what waits for discovery', async () => {
    const { rig } = await waiting({ drainTimeoutMs: 50 })
    rig.agent.silence()
    const connection = rig.raw(GET)
    await until('the agent is asked', () => rig.agent.held === 1)
    expect(await rig.sidecar.stop()).toBe(false)
    expect(await connection.end()).toBe('')
    await until('it is asked no more', () => rig.agent.held === 0)
  })

  test('stops watching', async () => {
    const { rig } = await waiting(PATIENT)
    await rig.send({ path: '/quick' })
    await until('a query is held', () => rig.agent.holds('orders'))
    expect(await rig.sidecar.stop()).toBe(true)
    await until('it is asked no more', () => rig.agent.held === 0)
  })

  test('leaves no connection to the admin server behind', async () => {
    const { rig } = await waiting(PATIENT)
    const admin = new Connection(Number(new URL(rig.sidecar.adminAddress).port), '')
    await once(admin.socket, 'connect')
    await rig.admin('/healthz')
    expect(await rig.sidecar.stop()).toBe(true)
    await admin.end()
  })

  test('requested twice is done once', async () => {
    const { rig } = await waiting({ drainTimeoutMs: 50 }, true)
    const connection = rig.raw(GET)
    await connection.has('begun')
    expect(await Promise.all([rig.sidecar.stop(), rig.sidecar.stop()])).toEqual([false, false])
    expect(rig.log.filter(({ message }) => message.includes('--drain-timeout'))).toHaveLength(1)
  })
})

test('a failure during a drain is answered as ever', async () => {
  const { rig } = await waiting(PATIENT)
  const connection = rig.raw('GET / HTTP/1.1\r\n')
  await rig.send({ path: '/quick' })
  const stopped = rig.sidecar.stop()
  connection.write('Host: payments\r\n\r\n')
  const said = await connection.end()
  expect(said).toContain('x-fairlead-error: NO_ENDPOINTS')
  expect(errorOf({ text: said.split('\r\n\r\n')[1] ?? '' } as Parameters<typeof errorOf>[0]).service).toBe(
    'payments',
  )
  expect(await stopped).toBe(true)
})
