import { describe, expect, test } from 'vitest'
import { testCases } from './cases.js'
import { Wire } from './wire.js'

/** A request whose body is a request. */
const SMUGGLING = 'POST /behind HTTP/1.1\r\nHost: orders\r\nContent-Length: 42\r\n\r\n'
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: orders\r\n\r\n'

const WEBSOCKET =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n'
const H2C = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'

function get(headers: string): string {
  return `GET /a HTTP/1.1\r\nHost: orders\r\n${headers}\r\n`
}

function post(headers: string): string {
  return `POST /a HTTP/1.1\r\nHost: orders\r\n${headers}Content-Length: 5\r\n\r\nhello`
}

const refused = { statuses: [501], ends: true, error: 'NOT_IMPLEMENTED' }

describe('an upgrade is refused, and what follows it is not run', () => {
  testCases([
    { name: 'alone', write: [get(WEBSOCKET)], ...refused },
    { name: 'a request in its segment', write: [get(WEBSOCKET) + SMUGGLED], ...refused },
    {
      name: 'a request in its segment, whose body is a request in the next',
      write: [get(WEBSOCKET) + SMUGGLING, SMUGGLED],
      ...refused,
    },
    { name: 'with a body', write: [post(WEBSOCKET) + SMUGGLING, SMUGGLED], ...refused },
    { name: 'requests in later segments', write: [get(WEBSOCKET), SMUGGLED, SMUGGLED], ...refused },
    {
      name: 'no protocol that anyone knows',
      write: [get('Connection: upgrade\r\nUpgrade: foo\r\n'), SMUGGLED],
      ...refused,
    },
    { name: 'frames of that protocol', write: [get(WEBSOCKET), '\x81\x85\x00\x00\x00\x00hello'], ...refused },
    {
      name: 'among other options',
      write: [get('Connection: keep-alive\r\nConnection: , UPGRADE ,x\r\nUpgrade: websocket\r\n') + SMUGGLED],
      ...refused,
    },
    {
      name: 'behind a good request, whose answer comes first',
      write: [
        `POST /good HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi${get(WEBSOCKET)}${SMUGGLED}`,
      ],
      statuses: [200, 501],
      got: ['POST /good hi'],
      ends: true,
      error: 'NOT_IMPLEMENTED',
    },
  ])
})

describe('an upgrade that may be ignored is, and what follows it is not run', () => {
  // RFC 9110, 7.8: h2c, as Java's client sends it with each request; and what no option in Connection is about.
  const served = { statuses: [200], ends: true }
  testCases([
    { name: 'h2c', write: [get(H2C)], got: ['GET /a'], ...served },
    { name: 'h2c with a body', write: [post(H2C)], got: ['POST /a hello'], ...served },
    {
      name: 'h2c, and more in its segment',
      write: [get(H2C) + SMUGGLING, SMUGGLED],
      got: ['GET /a'],
      ...served,
    },
    {
      name: 'h2c, a body, and more',
      write: [post(H2C) + SMUGGLING, SMUGGLED],
      got: ['POST /a hello'],
      ...served,
    },
    { name: 'no option', write: [get('Upgrade: foo\r\n') + SMUGGLING, SMUGGLED], got: ['GET /a'], ...served },
  ])
})

test('nothing of an upgrade that is ignored reaches the instance', async () => {
  const wire = await Wire.start()
  const application = wire.connect()
  await application.write(get(H2C))
  const [answer] = await application.end()
  expect(answer?.headers['connection']).toBe('close')
  expect(wire.got[0]?.rawHeaders.join(' ')).not.toMatch(/upgrade|settings/i)
})

test('an upgrade that is rejected is logged, with its client', async () => {
  const wire = await Wire.start()
  await wire.connect().write(get(WEBSOCKET))
  await expect
    .poll(() => wire.rig.log)
    .toContainEqual({
      level: 'warn',
      fields: { status: 501, code: 'NOT_IMPLEMENTED', peer: '127.0.0.1' },
      message: expect.stringContaining('Upgrade to "websocket" is not supported') as string,
    })
})
