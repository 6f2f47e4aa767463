import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../clock.js'
import { parseOptions } from '../client-options.js'
import { answer, breakOff, FakeConsul, healthEntry, refuse, type FakeConsulStep } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { ConsulAgent } from './agent.js'
import { JsonListReader, type EntryReader, type Keyed } from './json-list.js'

let fake: FakeConsul
let agent: ConsulAgent
const { signal } = new AbortController()

beforeEach(async () => {
  fake = await FakeConsul.start()
  agent = new ConsulAgent(
    parseOptions('orders', { consul: { address: fake.address } }, {}).consul.agent,
    systemClock,
  )
})

afterEach(() => fake.close())

const question = { method: 'GET', path: '/v1/health/service/orders', timeoutMs: 5000 } as const
const ask = (): Promise<unknown> => agent.ask(question, signal).catch((error: unknown) => error)
const reader = (onRead: () => void): EntryReader<Keyed> => ({
  read: () => {
    onRead()
    return { key: '' }
  },
  same: () => true,
})

/** Says with which socket a step was taken. */
const noting =
  (sockets: Set<unknown>, step: FakeConsulStep): FakeConsulStep =>
  (request, response) => {
    sockets.add(request.socket)
    step(request, response)
  }

test('the next question goes over the connection of the last one, whatever was answered', async () => {
  const sockets = new Set()
  const steps = [
    answer(1, []),
    refuse(500, 'No cluster leader'),
    answer(2, [healthEntry(1)]),
    refuse(404, ''),
  ]
  fake.script(...[...steps, ...steps].map((step) => noting(sockets, step)))
  for (let time = 0; time < 2 * steps.length; time++) await ask()
  expect(sockets.size).toBe(1)
})

test('so many questions at once take so many connections, and the next ones no more', async () => {
  const sockets = new Set()
  for (let time = 0; time < 5; time++) {
    fake.script(...Array.from({ length: 3 }, () => noting(sockets, answer(1, [healthEntry(1)]))))
    await Promise.all([ask(), ask(), ask()])
  }
  expect(sockets.size).toBe(3)
})

test('an answer that is cut off, or whose reader fails, closes its connection', async () => {
  fake.script(breakOff(), answer(1, [healthEntry(1)]), answer(1, []))
  await ask()
  await until(() => fake.connections === 0)
  const failing = reader(() => {
    throw new Error('no instance')
  })
  await expect(agent.askList(question, () => new JsonListReader(failing), signal)).rejects.toThrow(
    'no instance',
  )
  await until(() => fake.connections === 0)
  await ask()
  expect(fake.connections).toBe(1)
})

// In a thread of its own, so that it goes on sending while we read.
const POURING = `
  const { createServer } = require('node:http')
  const { parentPort } = require('node:worker_threads')
  const body = JSON.stringify(Array.from({ length: 6000 }, () => ({ padding: 'x'.repeat(1000) })))
  const server = createServer((request, response) => response.end(body))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

test('while a large answer is read, everything else has its turn', async () => {
  const pouring = new Worker(POURING, { eval: true })
  const [port] = (await once(pouring, 'message')) as [number]
  const { consul } = parseOptions('orders', { consul: { address: `http://127.0.0.1:${port}` } }, {})
  let sinceTurn = 0
  let most = 0
  const look = (): void => {
    most = Math.max(most, sinceTurn)
    sinceTurn = 0
    // Busy with something else, so that there is always more to read than a turn should take.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    turning = setImmediate(look)
  }
  let turning = setImmediate(look)
  const counting = reader(() => sinceTurn++)
  const large = new ConsulAgent(consul.agent, systemClock)
  // The kernel gives more at a time, the longer the connection has been busy.
  for (let time = 0; time < 5; time++) {
    const { entries } = await large.askList(question, () => new JsonListReader(counting), signal)
    expect(entries).toHaveLength(6000)
  }
  clearImmediate(turning)
  await pouring.terminate()
  // 256 kB and what was on its way, where the socket gives 2 MB.
  expect(most).toBeLessThan(600)
})

// In a thread of its own, so that this one can stand still until the end is there, and unread.
const CLOSING = `
  const { createServer } = require('node:net')
  const { parentPort, workerData: ended } = require('node:worker_threads')
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}', () => {
      Atomics.add(ended, 0, 1)
      Atomics.notify(ended, 0)
    }))
  })
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

test('a question is not written to a connection that was closed behind the answer before it', async () => {
  const ended = new Int32Array(new SharedArrayBuffer(4))
  const closing = new Worker(CLOSING, { eval: true, workerData: ended })
  const [port] = (await once(closing, 'message')) as [number]
  const { consul } = parseOptions('orders', { consul: { address: `http://127.0.0.1:${port}` } }, {})
  const closed = new ConsulAgent(consul.agent, systemClock)
  const put = { method: 'PUT', path: '/v1/agent/check/pass/orders', timeoutMs: 5000 } as const
  for (let time = 0; time < 40; time++) {
    expect((await closed.ask(put, signal)).text).toBe('{}')
    expect(Atomics.wait(ended, 0, time, 10_000)).not.toBe('timed-out')
  }
  await closing.terminate()
})
