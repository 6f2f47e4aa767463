import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Logger } from '../logger.js'
import { FakeAgent, letGo } from '../test-support/fake-agent.test.support.js'
import { ManualClock, seededRandom } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import {
  gracefulShutdown,
  type GracefulShutdown,
  type GracefulShutdownOptions,
  type ShutdownReport,
} from './graceful-shutdown.js'
import { register } from './register.js'
import type { Registration } from './registration.js'

// What becomes of the process is the matter of test/integration/graceful-shutdown.test.ts, in processes of their own.

let clock: ManualClock
let lines: string[]
let server: Server
let port: number
let answer: RequestListener
let shutdown: GracefulShutdown
const client = new Agent({ keepAlive: true })

const logger: Logger = {
  info: (_, message) => lines.push(`info: ${message}`),
  warn: (fields, message) => lines.push(`warn: ${message} ${JSON.stringify(fields)}`),
  error: (fields, message) => lines.push(`error: ${message} ${JSON.stringify(fields)}`),
}

beforeEach(async () => {
  clock = new ManualClock()
  lines = []
  answer = (_, response) => response.end('ok')
  server = createServer((request, response) => answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  shutdown[Symbol.dispose]()
  client.destroy()
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

function registerWith({ address }: FakeAgent): Registration {
  return register({
    name: 'orders',
    port,
    id: 'o1',
    consul: { address },
    clock,
    logger,
    random: seededRandom(1),
  })
}

function prepare(options: GracefulShutdownOptions = {}): GracefulShutdown {
  // A signal that nothing else here listens for, and that is not raised again.
  return (shutdown = gracefulShutdown(server, {
    clock,
    logger,
    raise: false,
    signals: ['SIGUSR2'],
    ...options,
  }))
}

function fail(): never {
  throw new Error('one')
}

/** Sends a request; resolves with the response when its head is there. */
async function send(): Promise<IncomingMessage> {
  const [response] = (await once(get({ port, host: '127.0.0.1', agent: client }), 'response')) as [
    IncomingMessage,
  ]
  response.resume()
  return response
}

describe('without a registration', () => {
  test('a signal begins it, everything is served meanwhile, and then comes the end', async () => {
    const signals: unknown[] = []
    const reports: ShutdownReport[] = []
    prepare({
      settleMs: 3000,
      onSignal: (signal) => signals.push(signal),
      onDrained: (report) => void reports.push(report),
    })
    expect((await send()).headers.connection).toBe('keep-alive')
    process.emit('SIGUSR2', 'SIGUSR2')
    await clock.advance(2999)
    expect(server.listening).toBe(true)
    expect((await send()).headers.connection).toBe('keep-alive')
    await clock.advance(1)
    await until(() => !server.listening)
    expect((await send()).headers.connection).toBe('close')
    await until(() => reports.length === 1)
    expect(signals).toEqual(['SIGUSR2'])
    expect(reports).toEqual([{ signal: 'SIGUSR2', drain: undefined, finished: true }])
    expect(lines).toEqual(['info: shutting down; a second signal ends the process at once'])
    expect(process.listenerCount('SIGUSR2')).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('it may be begun by hand, once', async () => {
    const signals: unknown[] = []
    const graceful = prepare({ onSignal: (signal) => signals.push(signal) })
    const ending = graceful.begin()
    expect(graceful.begin()).toBe(ending)
    expect(await ending).toEqual({ signal: undefined, drain: undefined, finished: true })
    expect(signals).toEqual([undefined])
  })

  test('requests in flight have until the deadline, and then it says how many are aborted', async () => {
    const graceful = prepare({ deadlineMs: 2000 })
    let arrived = false
    answer = () => (arrived = true)
    const broken = expect(send()).rejects.toMatchObject({ code: 'ECONNRESET' })
    await until(() => arrived)
    const ending = graceful.begin()
    await until(() => !server.listening)
    await clock.advance(1999)
    expect(lines).toEqual([])
    await clock.advance(1)
    await broken
    expect(await ending).toEqual({ signal: undefined, drain: undefined, finished: false })
    expect(lines).toEqual([
      'warn: requests have not finished by the deadline of the shutdown; aborting them {"inflight":1,"deadlineMs":2000}',
    ])
  })
})

describe('what the application does with it', () => {
  test('is waited for, but not indefinitely', async () => {
    let called = false
    const ending = prepare({
      deadlineMs: 2000,
      onDrained: () => {
        called = true
        return new Promise(() => undefined)
      },
    }).begin()
    await until(() => called)
    let ended = false
    void ending.then(() => (ended = true))
    await clock.advance(5999)
    expect(ended).toBe(false)
    await clock.advance(1)
    await ending
    expect(clock.pending).toBe(0)
  })

  test('at the signal delays nothing, and is waited for as a request in flight is', async () => {
    let finish = (): void => undefined
    let ended = false
    const ending = prepare({ onSignal: () => new Promise<void>((resolve) => (finish = resolve)) }).begin()
    void ending.then(() => (ended = true))
    await until(() => !server.listening)
    await clock.advance(24_999)
    expect(ended).toBe(false)
    finish()
    expect(await ending).toEqual({ signal: undefined, drain: undefined, finished: true })
    expect(lines).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test.for([
    ['meanwhile', undefined],
    ['when all the time is gone already', 3000],
  ] as const)('at the signal is not waited for beyond the deadline: it comes %s', async ([, settleMs]) => {
    const reports: ShutdownReport[] = []
    const ending = prepare({
      deadlineMs: 2000,
      settleMs,
      onSignal: () => new Promise(() => undefined),
      onDrained: (report) => void reports.push(report),
    }).begin()
    await clock.advance(1999)
    expect(lines).toEqual([])
    await clock.advance(1)
    expect(await ending).toEqual({ signal: undefined, drain: undefined, finished: false })
    expect(reports).toHaveLength(1)
    expect(lines.at(-1)).toBe(
      'warn: onSignal has not ended within deadlineMs; the shutdown goes on without it {"deadlineMs":2000}',
    )
    expect(clock.pending).toBe(0)
  })

  test('that ended in time is not said to be late where the deadline comes for others', async () => {
    const ending = prepare({ deadlineMs: 2000, settleMs: 3000, onSignal: () => Promise.resolve() }).begin()
    await clock.advance(2000)
    expect(await ending).toMatchObject({ finished: false })
    expect(lines.join()).not.toContain('onSignal')
  })

  test('at the signal holds up no registration: it is gone after the deadline', async () => {
    const agent = await FakeAgent.start('o1')
    const registration = registerWith(agent)
    try {
      await registration.ready()
      const ending = prepare({
        registration,
        deadlineMs: 2000,
        confirmMs: 0,
        settleMs: 0,
        onSignal: () => new Promise(() => undefined),
      }).begin()
      expect(registration.inspect().state).toBe('draining')
      await clock.advance(0)
      await until(() => !server.listening)
      expect(agent.names).not.toContain('deregister')
      await clock.advance(2000)
      expect(await ending).toMatchObject({ finished: false, drain: { finished: false, deregistered: true } })
    } finally {
      await letGo(registration, clock)
      await agent.close()
    }
  })

  test('what it has drained itself leaves the server to end', async () => {
    const agent = await FakeAgent.start('o1')
    const registration = registerWith(agent)
    try {
      await registration.ready()
      const draining = registration.drain({ confirmMs: 0, settleMs: 0 })
      const ending = prepare({ registration }).begin()
      await clock.advance(0)
      await until(() => !server.listening)
      expect(await draining).toMatchObject({ deregistered: true })
      expect(await ending).toMatchObject({ finished: true, drain: { deregistered: true } })
    } finally {
      await letGo(registration, clock)
      await agent.close()
    }
  })

  test.for<readonly [string, () => Promise<void>]>([
    ['at once', () => fail()],
    ['later', () => Promise.reject(new Error('one'))],
  ])('a hook that fails %s does not stop the shutdown', async ([, thrower]) => {
    const ending = prepare({
      onSignal: thrower,
      onDrained: () => Promise.reject(new Error('two')),
    }).begin()
    expect(await ending).toMatchObject({ finished: true })
    expect(lines).toEqual([
      'error: onSignal failed; the shutdown goes on {"reason":"one"}',
      'error: onDrained failed; the shutdown goes on {"reason":"two"}',
    ])
  })

  test('let go, it listens no more, and the server is as it was', () => {
    const before = server.listenerCount('request')
    prepare()
    expect(process.listenerCount('SIGUSR2')).toBe(1)
    shutdown[Symbol.dispose]()
    expect(process.listenerCount('SIGUSR2')).toBe(0)
    expect(server.listenerCount('request')).toBe(before)
  })
})

test.for<readonly [object, string]>([
  [{ signals: ['SIGKILL'] }, "signals[0] is 'SIGKILL': it must be the name of a signal that can be caught"],
  [{ deadlineMs: 0 }, 'deadlineMs is 0: it must be a whole number of milliseconds from 1'],
  [{ registration: {} }, 'registration is {}: it must be what register() returns'],
  [{ onSignal: 1 }, 'onSignal is 1: it must be a function'],
  [{ onClose: 1 }, 'unknown option onClose: remove it'],
])('%o is refused', ([options, message]) => {
  prepare()
  expect(() => gracefulShutdown(server, options)).toThrow(message)
  expect(() => gracefulShutdown(Object.create(null) as Server)).toThrow(
    'server is [Object: null prototype] {}: it must be a server of node:http',
  )
})
