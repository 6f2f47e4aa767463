import type { Server, ServerOptions, ServerResponse } from 'node:http'
import type { Clock, Logger } from '@fairlead/sdk'
import { ManualClock } from '@fairlead/sdk/testing'
import { describe, expect, test } from 'vitest'
import { limitRepeats } from '../log/repeats.js'
import { Connection, until } from '../testing/rig.test.support.js'
import { listen } from './listening.test.support.js'

interface Inbound {
  readonly server: Server
  readonly port: number
  /** Responses to what was served; a test ends them itself. */
  readonly served: readonly ServerResponse[]
  /** Its warnings. */
  readonly lines: readonly object[]
}

async function start(options: ServerOptions = {}, limit?: Clock): Promise<Inbound> {
  const served: ServerResponse[] = []
  const lines: object[] = []
  const logger: Logger = {
    info: () => undefined,
    warn: (fields, message) => lines.push({ ...fields, message }),
    error: () => undefined,
  }
  const { server, port } = await listen((_, response) => void served.push(response), options, {
    logger: limit === undefined ? logger : limitRepeats(logger, limit),
  })
  return { server, port, served, lines }
}

describe('a head that does not come to its end', () => {
  // node:http looks for it every 30 s by itself.
  const short: ServerOptions = { headersTimeout: 200, connectionsCheckingInterval: 50 }
  const rejection = {
    status: 408,
    code: 'REQUEST_TIMEOUT',
    peer: '127.0.0.1',
    message: 'request rejected: it did not arrive in time',
  }

  test.each([
    ['within a header', 'GET / HTTP/1.1\r\nHost: ord'],
    ['within the request line', 'GET /'],
    ['before the empty line', 'POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\n'],
    ['before it has begun', ''],
  ])('%s: 408, the end, and a line of the log', async (_, written) => {
    const { server, port, served, lines } = await start(short)
    // As that of the proxy: how long a body takes is another matter.
    server.requestTimeout = 0
    const connection = new Connection(port, written)
    const said = await connection.end()
    expect(connection.statuses).toEqual([408])
    expect(said).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
    expect(said).toContain('\r\nx-fairlead-error: REQUEST_TIMEOUT\r\n')
    expect(said).toContain('\r\nconnection: close\r\n')
    expect(said).toMatch(/\{"error":"REQUEST_TIMEOUT","message":"it did not arrive in time"\}\n$/)
    expect(served).toEqual([])
    expect(lines).toEqual([rejection])
  })

  test('behind a request that is being served: answered in its turn', async () => {
    const { port, served, lines } = await start(short)
    const connection = new Connection(port, 'GET / HTTP/1.1\r\nHost: orders\r\n\r\nGET / HTTP/1.1\r\nHo')
    await until('it is rejected', () => lines.length > 0)
    expect(lines).toEqual([rejection])
    expect(connection.received).toBe('')
    for (const response of served) response.end('slow')
    const said = await connection.end()
    expect(connection.statuses).toEqual([200, 408])
    expect(said).toContain('slow')
    expect(served).toHaveLength(1)
  })

  test('one that comes in time is served, however long its response takes', async () => {
    const { port, served, lines } = await start(short)
    const slow = new Connection(port, 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await until('it is served', () => served.length === 1)
    // Several times the limit, told by others that go through it.
    for (let other = 0; other < 3; other++) await new Connection(port, 'GET /').end()
    for (const response of served) response.end('slow')
    await slow.has('slow')
    expect(slow.statuses).toEqual([200])
    expect(slow.ended).toBe(false)
    expect(lines).toHaveLength(3)
  })
})

test('300 broken requests are two lines: the first, and how many followed it', async () => {
  const clock = new ManualClock()
  const { port, lines, served } = await start({}, clock)
  const broken = Array.from({ length: 300 }, () => new Connection(port, 'nonsense\r\n\r\n'))
  for (const connection of broken) expect(await connection.end()).toContain('400 Bad Request')
  const line = { status: 400, code: 'BAD_REQUEST', peer: '127.0.0.1' }
  const message = expect.stringContaining('request rejected: it is not HTTP/1.1') as string
  expect(lines).toEqual([{ ...line, message }])
  await clock.advance(10_000)
  expect(lines.slice(1)).toEqual([{ ...line, message, repeats: 299, windowMs: 10_000 }])
  expect(served).toEqual([])
})
