import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { describe, expect, onTestFinished, test } from 'vitest'
import { testCases } from './cases.js'
import { Wire } from './wire.js'

const POST = 'POST /good HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi'
const CONNECT = 'CONNECT orders:443 HTTP/1.1\r\nHost: orders:443\r\n\r\n'
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
const CLIENT_HELLO = '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'

const refused = { statuses: [501], ends: true, error: 'NOT_IMPLEMENTED' }

describe('CONNECT is refused, and what follows it is not run', () => {
  testCases([
    { name: 'alone', write: [CONNECT], ...refused },
    { name: 'a request in its segment', write: [CONNECT + POST], ...refused },
    { name: 'requests in later segments', write: [CONNECT, POST, POST], ...refused },
    { name: 'a TLS handshake behind it', write: [CONNECT, CLIENT_HELLO], ...refused },
    {
      name: 'behind a good request, whose answer comes first',
      write: [POST + CONNECT + POST],
      ...refused,
      statuses: [200, 501],
      got: ['POST /good hi'],
    },
  ])

  test('a response that is under way when it comes arrives whole', async () => {
    const long = 'x'.repeat(5_000_000)
    const wire = await Wire.start({ answer: (_, response) => response.end(long) })
    const application = await wire.connect().write(POST + CONNECT)
    const answers = await application.end()
    expect(answers.map(({ status, body }) => [status, body.length])).toEqual([
      [200, long.length],
      [501, expect.any(Number)],
    ])
  })

  test('it is logged, with its client', async () => {
    const wire = await Wire.start()
    await wire.connect().write(CONNECT)
    await expect
      .poll(() => wire.rig.log)
      .toContainEqual({
        level: 'warn',
        fields: { status: 501, code: 'NOT_IMPLEMENTED', peer: '127.0.0.1' },
        message: expect.stringContaining('CONNECT "orders:443" is not supported') as string,
      })
  })
})

describe('HTTP/2', () => {
  test.each([
    ['in one segment', [PREFACE]],
    ['cut in two', [PREFACE.slice(0, 10), PREFACE.slice(10)]],
    ['with frames behind it', [`${PREFACE}\x00\x00\x00\x04\x00\x00\x00\x00\x00`]],
  ])('the preface is answered in frames: %s', async (_, write) => {
    const wire = await Wire.start()
    const application = await wire.connect().write(...write)
    await expect.poll(() => application.ended).toBe(true)
    const frames = Buffer.from(application.received, 'latin1')
    // SETTINGS, empty; then GOAWAY, which names the last stream (none), the reason, and more of it in words.
    expect([...frames.subarray(0, 9)]).toEqual([0, 0, 0, 4, 0, 0, 0, 0, 0])
    expect([...frames.subarray(12, 18)]).toEqual([7, 0, 0, 0, 0, 0])
    expect(frames.readUIntBE(9, 3)).toBe(frames.length - 18)
    expect(frames.readUInt32BE(18)).toBe(0)
    expect(frames.readUInt32BE(22)).toBe(constants.NGHTTP2_HTTP_1_1_REQUIRED)
    expect(frames.subarray(26).toString()).toContain('HTTP/2 is not supported: use HTTP/1.1')
    expect(application.reset).toBe(false)
    expect(wire.rig.log.at(-1)?.message).toBe('request rejected: HTTP/2 is not supported: use HTTP/1.1')
  })

  test('a client learns that it takes HTTP/1.1, and why', async () => {
    const wire = await Wire.start()
    const session = connectHttp2(`http://127.0.0.1:${wire.rig.port}`)
    onTestFinished(() => session.destroy())
    session.on('error', () => undefined)
    session
      .request({ ':path': '/' })
      .on('error', () => undefined)
      .end()
    const [code, lastStream, words] = (await once(session, 'goaway')) as [number, number, Buffer]
    expect([code, lastStream]).toEqual([constants.NGHTTP2_HTTP_1_1_REQUIRED, 0])
    expect(words.toString()).toContain('use HTTP/1.1')
  })

  testCases([
    {
      name: 'behind a request it is not a preface, and is answered as that is',
      write: [POST + PREFACE],
      statuses: [200, 505],
      got: ['POST /good hi'],
      ends: true,
      error: 'HTTP_VERSION_NOT_SUPPORTED',
    },
    {
      name: 'as the version of a request',
      write: ['GET / HTTP/2.0\r\nHost: orders\r\n\r\n'],
      statuses: [505],
      ends: true,
      error: 'HTTP_VERSION_NOT_SUPPORTED',
    },
  ])
})

describe('what is not HTTP gets an error that says so', () => {
  testCases([
    { name: 'TLS', write: [CLIENT_HELLO], statuses: [400], ends: true, error: 'BAD_REQUEST' },
    { name: 'SSH', write: ['SSH-2.0-OpenSSH_9.6\r\n'], statuses: [400], ends: true, error: 'BAD_REQUEST' },
    {
      name: 'HTTP/0.9',
      write: ['GET / HTTP/0.9\r\n\r\n'],
      statuses: [505],
      ends: true,
      error: 'HTTP_VERSION_NOT_SUPPORTED',
    },
    ...[
      'DESCRIBE /a RTSP/1.0\r\nCSeq: 1',
      'SETUP rtsp://orders/a RTSP/1.0\r\nCSeq: 1',
      'OPTIONS * RTSP/1.0\r\nCSeq: 1',
      'GET /a RTSP/1.0\r\nHost: orders\r\nCSeq: 1',
      'GET_PARAMETER /a RTSP/1.0\r\nHost: orders',
      'SOURCE /a HTTP/1.1\r\nHost: orders',
      'SOURCE /a ICE/1.0\r\nHost: orders',
      'SOURCE /a HTTP/1.0\r\nHost: orders',
    ].map((head) => ({
      name: JSON.stringify(head),
      write: [`${head}\r\n\r\n${POST}`],
      statuses: [505],
      ends: true,
      error: 'HTTP_VERSION_NOT_SUPPORTED',
    })),
    {
      name: 'no version',
      write: ['GET /\r\n\r\n'],
      statuses: [505],
      ends: true,
      error: 'HTTP_VERSION_NOT_SUPPORTED',
    },
  ])
})
