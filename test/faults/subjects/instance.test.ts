import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { freePorts } from '../../support/free-ports.js'
import { eventually } from '../../support/poll.js'
import { BODY } from '../answer.js'
import type { BehaviourName } from '../behaviours.js'
import { Instance } from './instance.js'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

/** A caller that hides nothing of what comes of a connection. */
class Caller {
  readonly #socket: Socket
  received = ''
  error: string | undefined
  ended = false

  constructor(port: number) {
    this.#socket = connect({ host: '127.0.0.1', port })
    this.#socket.setEncoding('latin1').on('data', (text: string) => (this.received += text))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code))
    this.#socket.on('end', () => (this.ended = true))
  }

  get closed(): boolean {
    return this.#socket.closed
  }

  async connected(): Promise<void> {
    await once(this.#socket, 'connect')
  }

  ask(): void {
    this.#socket.write(GET)
  }

  hangUp(): void {
    this.#socket.destroy()
  }
}

let port: number
let instance: Instance
let callers: Caller[]

beforeEach(async () => {
  ;[port = 0] = await freePorts(1)
  instance = new Instance(port)
  await instance.listen()
  callers = []
})

afterEach(() => {
  for (const caller of callers) caller.hangUp()
  instance.stopListening()
})

async function called(): Promise<Caller> {
  const caller = new Caller(port)
  callers.push(caller)
  await caller.connected()
  return caller
}

/** A caller that has been answered once, and asks again under this behaviour. */
async function asked(behaviour: BehaviourName): Promise<Caller> {
  const caller = await called()
  caller.ask()
  await eventually(() => caller.received.endsWith(BODY), { what: 'a first answer' })
  caller.received = ''
  await instance.behave(behaviour)
  caller.ask()
  return caller
}

async function closed(caller: Caller): Promise<void> {
  await eventually(() => caller.closed, { what: 'the connection to be closed' })
}

async function whole(caller: Caller): Promise<void> {
  await eventually(() => caller.received.endsWith(BODY), { what: 'a whole answer' })
}

function seenIn(counts: Readonly<Record<number, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0)
}

test('reset-before-head: a request is read, nothing comes, the connection is reset', async () => {
  const caller = await asked('reset-before-head')
  await closed(caller)
  expect(caller).toMatchObject({ received: '', error: 'ECONNRESET', ended: false })
  expect(seenIn(instance.seen)).toBe(2)
})

test('reset-mid-body: the head and half of the body come before the reset', async () => {
  const caller = await asked('reset-mid-body')
  await closed(caller)
  expect(caller.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(caller.received.endsWith(`\r\n\r\n${BODY.slice(0, BODY.length / 2)}`)).toBe(true)
  expect(caller.error).toBe('ECONNRESET')
})

test('short-body: more is announced than comes before FIN', async () => {
  const caller = await asked('short-body')
  await closed(caller)
  expect(caller.received).toContain(`Content-Length: ${2 * BODY.length}\r\n`)
  expect(caller.received.endsWith(BODY)).toBe(true)
  expect(caller).toMatchObject({ error: undefined, ended: true })
})

test('garbage: what comes is not HTTP', async () => {
  const caller = await asked('garbage')
  await closed(caller)
  expect(caller.received).not.toBe('')
  expect(caller.received).not.toContain('HTTP/1')
})

test('reset-on-accept: connections that are there are reset, and new ones as they come', async () => {
  const before = await called()
  await eventually(() => instance.connections.size === 1, { what: 'the connection to be accepted' })
  await instance.behave('reset-on-accept')
  await closed(before)
  // Maybe before it knows that it is connected.
  const after = new Caller(port)
  await closed(after)
  expect([before.error, after.error]).toEqual(['ECONNRESET', 'ECONNRESET'])
})

test('accept-and-hang: nothing is read, old or new, and all are reset at the end', async () => {
  const before = await asked('accept-and-hang')
  const after = await called()
  after.ask()
  await eventually(() => instance.connections.size === 2, { what: 'the connection to be accepted' })
  await instance.behave('serve')
  await closed(before)
  await closed(after)
  expect([before.received, after.received]).toEqual(['', ''])
  // Of the first answer.
  expect(seenIn(instance.seen)).toBe(1)
})

test('refuse: connections are closed and none is taken, until the end', async () => {
  const before = await called()
  await instance.behave('refuse')
  await closed(before)
  await expect(called()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await instance.behave('serve')
  const after = await called()
  after.ask()
  await whole(after)
})

test('hang: the request is read and never answered, also after the end', async () => {
  const caller = await asked('hang')
  await eventually(() => seenIn(instance.seen) === 2, { what: 'the request to be read' })
  await instance.behave('serve')
  const other = await called()
  other.ask()
  await whole(other)
  expect(caller).toMatchObject({ received: '', closed: false })
})

describe('statuses', () => {
  test.each([
    ['always-500', /^HTTP\/1\.1 500 /],
    ['always-503', /^HTTP\/1\.1 503 /],
    ['retry-after', /^HTTP\/1\.1 429 .*\r\nRetry-After: 1\r\n/s],
  ] as const)('%s', async (behaviour, head) => {
    const caller = await asked(behaviour)
    await eventually(() => head.test(caller.received), { what: 'that status' })
    expect(caller.closed).toBe(false)
  })

  test('one-in-three-503', async () => {
    await instance.behave('one-in-three-503')
    const caller = await called()
    const statuses: string[] = []
    while (statuses.length < 6) {
      caller.received = ''
      caller.ask()
      await eventually(() => caller.received.includes('\r\n\r\n'), { what: 'an answer' })
      statuses.push(caller.received.slice(9, 12))
    }
    expect(statuses).toEqual(['200', '200', '503', '200', '200', '503'])
  })
})

test('close-after-each says so; close-silently says nothing, and closes what is idle as well', async () => {
  const told = await asked('close-after-each')
  await closed(told)
  expect(told.received).toContain('\r\nConnection: close\r\n')
  expect(told.received.endsWith(BODY)).toBe(true)
  await instance.behave('serve')

  const idle = await called()
  const behind = await asked('close-silently')
  await closed(idle)
  await closed(behind)
  expect(idle).toMatchObject({ received: '', error: undefined, ended: true })
  expect(behind.received).not.toContain('Connection')
})

test('slow-body: the head comes at once, the body piece by piece', async () => {
  const caller = await asked('slow-body')
  await eventually(() => caller.received.endsWith('\r\n\r\n'), { what: 'the head' })
  await whole(caller)
})
