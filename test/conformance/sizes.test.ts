import { maxHeaderSize } from 'node:http'
import { describe, expect, test } from 'vitest'
import { testCases } from './cases.js'
import { bytewise, Wire } from './wire.js'

function post(headers: string): string {
  return `POST /a HTTP/1.1\r\nHost: orders\r\n${headers}Content-Length: 5\r\n\r\nhello`
}

function numbered(count: number): string {
  return Array.from({ length: count }, (_, n) => `x${n.toString(36)}:\r\n`).join('')
}

// A request behind what is not read to its end.
const BEHIND = post('')

const refused = { statuses: [431], ends: true, error: 'HEADERS_TOO_LARGE' }

describe('a head is read whole, or not at all', () => {
  testCases([
    ...[31, 32, 33, 999, 1000, 1022, 1023, 1024, 2000, 3000].map((count) => ({
      name: `${count} headers before Content-Length`,
      write: [post(numbered(count))],
      statuses: [200],
      got: ['POST /a hello'],
    })),
    {
      name: 'a header that is too long',
      write: [post(`X: ${'x'.repeat(maxHeaderSize)}\r\n`) + BEHIND],
      ...refused,
    },
    {
      name: 'a target that is too long',
      write: [`GET /${'x'.repeat(maxHeaderSize)} HTTP/1.1\r\n\r\n${BEHIND}`],
      ...refused,
    },
    { name: 'too many headers', write: [post(numbered(10_000)) + BEHIND], ...refused },
    {
      name: 'a name that is too long',
      write: [post(`${'x'.repeat(maxHeaderSize)}: x\r\n`) + BEHIND],
      ...refused,
    },
    {
      name: 'a head that never ends',
      write: [`GET / HTTP/1.1\r\nHost: orders\r\n`, ...Array<string>(40).fill(`X: ${'x'.repeat(1000)}\r\n`)],
      ...refused,
    },
    ...['9007199254740992', '1844674073709551600', '18446744073709551615'].map((length) => ({
      name: `Content-Length: ${length}`,
      write: [`POST /a HTTP/1.1\r\nHost: orders\r\nContent-Length: ${length}\r\n\r\nhello`],
      statuses: [400],
      ends: true,
      error: 'BAD_REQUEST',
    })),
    {
      name: 'too large behind a good one',
      write: [post('') + post(`X: ${'x'.repeat(maxHeaderSize)}\r\n`)],
      ...refused,
      statuses: [200, 431],
      got: ['POST /a hello'],
    },
    {
      name: 'chunk extensions that are too large',
      write: [
        `POST /a HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n1;x=${'x'.repeat(20_000)}\r\n`,
      ],
      statuses: [413],
      ends: true,
      error: 'CONTENT_TOO_LARGE',
    },
  ])
})

test('a trailer that is too long is called one', async () => {
  const wire = await Wire.start()
  const application = wire.connect()
  await application.write(
    `POST /a HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-t: ${'y'.repeat(2 * maxHeaderSize)}\r\n\r\n`,
  )
  const [answer] = await application.end()
  expect(answer?.status).toBe(431)
  expect(answer?.body).toContain(
    `its target and header fields, or its trailers, are larger than ${maxHeaderSize} bytes: raise the limit by NODE_OPTIONS`,
  )
})

test('all headers arrive, in their order and spelling', async () => {
  const wire = await Wire.start()
  await wire.connect().write(post(numbered(3000)))
  await expect.poll(() => wire.got.length).toBe(1)
  const names = wire.got[0]?.rawHeaders.filter((_, index) => index % 2 === 0) ?? []
  expect(names.slice(3, -1)).toEqual(Array.from({ length: 3000 }, (_, n) => `x${n.toString(36)}`))
  expect(names.at(-1)).toBe('content-length')
})

test('what names the most of its headers in Connection takes no time for it', async () => {
  const wire = await Wire.start()
  const names = Array.from({ length: 1500 }, (_, n) => `x${n.toString(36)}`)
  const application = wire.connect()
  await application.write(post(`Connection: ${names.join(',')}\r\n${numbered(1500)}`))
  await application.answered(1)
  expect(wire.got[0]?.rawHeaders.length).toBe(8)
})

test('a head byte by byte is the same head', async () => {
  const wire = await Wire.start()
  const application = await wire.connect().write(...bytewise(post(numbered(70))))
  await application.answered(1)
  expect(wire.gist).toEqual(['POST /a hello'])
  expect(wire.got[0]?.rawHeaders.length).toBe(2 * 74)
})
