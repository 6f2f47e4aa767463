import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Rig, serveRaw, until, type Connection, type Instance } from '#sidecar/testing/rig.test.support.js'
import { readResponses, type Reading } from './responses.js'
import { bytewise } from './wire.js'

/** What an instance writes, segment by segment, and how it goes on from there. */
interface Script {
  readonly write: readonly string[]
  /** By default the connection stays open, and the instance says no more. */
  readonly end?: 'fin' | 'reset'
}

/** An instance that answers every request by the same script. */
function scripted({ write, end }: Script): Promise<Instance> {
  const play = async (socket: Socket): Promise<void> => {
    for (const segment of write) {
      await new Promise<void>((resolve) => socket.write(segment, 'latin1', () => resolve()))
      // So that it is read on its own, most of the time.
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (end === 'fin') socket.end()
    if (end === 'reset') socket.resetAndDestroy()
  }
  return serveRaw((socket) => {
    socket.setNoDelay(true)
    socket.on('data', () => void play(socket))
  })
}

interface Row extends Script {
  readonly name: string
  readonly status: number
  readonly body?: string
  /** Does the application see that the response is not whole? */
  readonly cut?: boolean
  /** What the message of a 502 says. */
  readonly why?: string
}

const POST = 'POST /1 HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi'

async function ask(rig: Rig): Promise<Connection> {
  const connection = rig.raw(POST)
  await once(connection.socket, 'connect')
  return connection
}

function read(connection: Connection): Reading {
  return readResponses(connection.received, ['POST'], connection.ended)
}

async function plays({ write, end, status, body, cut = false, why }: Row): Promise<void> {
  const instance = await scripted(end === undefined ? { write } : { write, end })
  const rig = await Rig.start([instance], { panicThreshold: 1 })
  const connection = await ask(rig)
  if (cut) await connection.end()
  else await until('a whole response', () => read(connection).answers.length > 0)
  const { answers, rest } = read(connection)
  if (cut) {
    expect(answers).toEqual([])
    // The head and what there was of the body are not a secret.
    expect(rest).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    if (body !== undefined) expect(rest).toContain(body)
    expect(rig.log.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('response aborted by the instance'),
    )
  } else {
    expect(rest).toBe('')
    expect(answers.map((answer) => answer.status)).toEqual([status])
    const answer = answers[0]
    if (why === undefined) expect(answer).toMatchObject({ body: body ?? '' })
    else {
      expect(answer?.headers['x-fairlead-error']).toBe('ATTEMPTS_EXHAUSTED')
      expect((JSON.parse(answer?.body ?? '') as { message: string }).message).toContain(why)
      expect(answer?.body).not.toMatch(/assert|falsy/i)
    }
    // The application's connection goes on, whatever the instance's has come to.
    connection.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await connection.end()
    expect(connection.statuses.at(-1)).toBe(400)
  }
  await rig.idle()
}

const OK = 'HTTP/1.1 200 OK\r\n'
const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const HI = 'Content-Length: 2\r\n\r\nhi'

describe('what an instance sends whole arrives, however it is cut into segments', () => {
  const rows: Row[] = [
    { name: 'a length', write: [`${OK}${HI}`], status: 200, body: 'hi' },
    { name: 'chunks', write: [`${OK}${CHUNKED}\r\n2\r\nhi\r\n0\r\n\r\n`], status: 200, body: 'hi' },
    { name: 'up to the end', write: [`${OK}\r\nhi`], end: 'fin', status: 200, body: 'hi' },
    { name: 'HTTP/1.0', write: ['HTTP/1.0 200 OK\r\n\r\nhi'], end: 'fin', status: 200, body: 'hi' },
    { name: '100 Continue', write: [`HTTP/1.1 100 Continue\r\n\r\n${OK}${HI}`], status: 200, body: 'hi' },
    {
      name: 'several interim ones',
      write: [`HTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 100 \r\n\r\nHTTP/1.1 102 P\r\n\r\n${OK}${HI}`],
      status: 200,
      body: 'hi',
    },
    { name: '204 with a length', write: ['HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n'], status: 204 },
    { name: '204 with chunks', write: [`HTTP/1.1 204 No\r\n${CHUNKED}\r\n`], status: 204 },
    { name: '304 with a length', write: ['HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n'], status: 304 },
    {
      name: 'trailers that frame and route',
      write: [`${OK}${CHUNKED}\r\n2\r\nhi\r\n0\r\nContent-Length: 99\r\nHost: evil\r\nX-Sum: 1\r\n\r\n`],
      status: 200,
      body: 'hi',
    },
    {
      name: 'a phrase of control characters',
      write: [`HTTP/1.1 200 O\u0001K\r\n${HI}`],
      status: 200,
      body: 'hi',
    },
    { name: 'no phrase', write: [`HTTP/1.1 200\r\n${HI}`], status: 200, body: 'hi' },
    { name: 'status 999', write: [`HTTP/1.1 999 Odd\r\n${HI}`], status: 999, body: 'hi' },
  ]
  test.each(rows)('$name', plays)
  test.each(rows)('$name, byte by byte', (row) => plays({ ...row, write: row.write.flatMap(bytewise) }))
})

describe('a body that is not whole does not pass for one that is, and what there is of it arrives', () => {
  const rows: Row[] = [
    { name: 'a length', write: [`${OK}Content-Length: 9\r\n\r\n`, 'begun'], status: 200, body: 'begun' },
    { name: 'a head alone', write: [`${OK}Content-Length: 9\r\n\r\n`], status: 200 },
    { name: 'chunks', write: [`${OK}${CHUNKED}\r\n5\r\n`, 'begun\r\n'], status: 200, body: 'begun' },
    {
      name: 'chunks without the last end',
      write: [`${OK}${CHUNKED}\r\n5\r\nbegun\r\n`, '0\r\n'],
      status: 200,
      body: 'begun',
    },
  ]
  test.each(rows)('$name, then a regular end', (row) => plays({ ...row, end: 'fin', cut: true }))
  test.each(rows)('$name, then a reset', (row) => plays({ ...row, end: 'reset', cut: true }))
  test('up to the end, which is a reset', () =>
    plays({ name: '', write: [`${OK}\r\n`, 'begun'], end: 'reset', status: 200, body: 'begun', cut: true }))
  test('nonsense for a chunk', () =>
    plays({
      name: '',
      write: [`${OK}${CHUNKED}\r\n5\r\nbegun\r\n`, 'nonsense\r\n'],
      status: 200,
      body: 'begun',
      cut: true,
    }))
})

test('a head is passed on at once, also where its body takes its time', async () => {
  const rig = await Rig.start([await scripted({ write: [`${OK}X-A: b\r\nContent-Length: 9\r\n\r\n`] })])
  const connection = await ask(rig)
  await connection.has('X-A: b\r\n')
  expect(read(connection).answers).toEqual([])
})

test('trailers that frame, route or control are dropped, others arrive', async () => {
  const trailers =
    'Content-Length: 99\r\nHost: evil\r\nSet-Cookie: a=b\r\nX-Sum: 1\r\nCache-Control: no-store\r\n'
  const rig = await Rig.start([
    await scripted({ write: [`${OK}${CHUNKED}\r\n2\r\nhi\r\n0\r\n${trailers}\r\n`] }),
  ])
  const connection = await ask(rig)
  await connection.has('\r\n0\r\n')
  await connection.has('X-Sum')
  expect(connection.received.split('\r\n0\r\n')[1]).toBe('X-Sum: 1\r\n\r\n')
})

describe('what is not a response is 502, in our own words', () => {
  const refused: Row[] = [
    {
      name: 'a status below 100',
      write: ['HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n'],
      status: 502,
      why: 'its status is 099',
    },
    { name: 'no digits', write: ['HTTP/1.1 2x0 OK\r\n\r\n'], status: 502, why: 'HTTP/1.1' },
    { name: 'too many', write: ['HTTP/1.1 1000 OK\r\n\r\n'], status: 502, why: 'HTTP/1.1' },
    { name: 'no HTTP', write: ['garbage\r\n\r\n'], status: 502, why: 'HTTP' },
    {
      name: 'gzip',
      write: [`${OK}Transfer-Encoding: gzip\r\n\r\nxx`],
      end: 'fin',
      status: 502,
      why: 'its Transfer-Encoding is "gzip"',
    },
    {
      name: 'gzip, chunked',
      write: [`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
      status: 502,
      why: 'is "gzip, chunked"',
    },
    {
      name: 'chunked twice',
      write: [`${OK}${CHUNKED}${CHUNKED}\r\n0\r\n\r\n`],
      status: 502,
      why: 'is "chunked, chunked"',
    },
    { name: 'two lengths', write: [`${OK}Content-Length: 2\r\n${HI}`], status: 502, why: 'Content-Length' },
    { name: 'chunks and a length', write: [`${OK}${CHUNKED}${HI}`], status: 502, why: 'Content-Length' },
    {
      name: 'a length and chunks',
      write: [`${OK}Content-Length: 2\r\n${CHUNKED}\r\n0\r\n\r\n`],
      status: 502,
      why: 'Transfer-Encoding',
    },
    {
      name: 'an upgrade',
      write: ['HTTP/1.1 101 Odd\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'],
      status: 502,
      why: 'upgrade',
    },
  ]
  test.each(refused)('$name', plays)
})

test('no byte of a head or a trailer gives anything else than the response, or 502', async () => {
  const shapes: readonly ((byte: string) => string)[] = [
    (byte) => `${OK}X-A: a${byte}b\r\n${HI}`,
    (byte) => `${OK}X${byte}A: ab\r\n${HI}`,
    (byte) => `HTTP/1.1 200 O${byte}K\r\n${HI}`,
    (byte) => `HTTP/1.1 ${byte}00 OK\r\n${HI}`,
    (byte) => `${OK}${CHUNKED}\r\n2\r\nhi\r\n0\r\nX-A: a${byte}b\r\n\r\n`,
    (byte) => `${OK}${CHUNKED}\r\n2\r\nhi\r\n0\r\nX${byte}A: ab\r\n\r\n`,
  ]
  // Controls, separators, the bounds of what is ASCII, and one of those that say nothing.
  const codes = [
    ...Array.from({ length: 48 }, (_, code) => code),
    0x35,
    0x3a,
    0x40,
    0x41,
    0x5c,
    0x7b,
    0x7f,
    0x80,
    0xff,
  ]
  const texts = shapes.flatMap((shape) => codes.map((code) => shape(String.fromCharCode(code))))
  const instance = await serveRaw((socket) => {
    socket.on('data', (request) => {
      const [, which = ''] = /^POST \/(\d+)/.exec(request.toString('latin1')) ?? []
      socket.end(texts[Number(which)] ?? '', 'latin1')
    })
  })
  const rig = await Rig.start([instance], { panicThreshold: 1 })
  const odd: unknown[] = []
  const one = async (text: string, index: number): Promise<void> => {
    const connection = rig.raw(POST.replace('/1', `/${index}`).replace('Host', 'Connection: close\r\nHost'))
    await connection.end()
    const { answers, rest } = readResponses(connection.received, ['POST'], true)
    // Bad trailers come too late for a status: then the body must not pass for whole.
    const broken = answers.length === 0 && rest.startsWith('HTTP/1.1 200')
    if (broken ? !text.includes(CHUNKED) : ![502, ...OTHERS].includes(answers[0]?.status ?? 0)) {
      odd.push([text, connection.received])
    }
  }
  for (let at = 0; at < texts.length; at += 32)
    await Promise.all(texts.slice(at, at + 32).map((text, index) => one(text, at + index)))
  expect(odd).toEqual([])
})

/** What `?00` can be. */
const OTHERS = [200, 300, 400, 500, 600, 700, 800, 900]
