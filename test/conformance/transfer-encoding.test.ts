import { describe } from 'vitest'
import { testCases, type Case } from './cases.js'

const CHUNKS = '5\r\nhello\r\n0\r\n\r\n'

/** What would be run if a body were taken to end before its chunks, or if nothing ended the connection. */
const BEHIND = 'POST /behind HTTP/1.1\r\nHost: orders\r\nContent-Length: 0\r\n\r\n'

const GET = 'GET /first HTTP/1.1\r\nHost: orders\r\n\r\n'

function post(headers: string, version = '1.1'): string {
  return `POST /a HTTP/${version}\r\nHost: orders\r\n${headers}\r\n\r\n${CHUNKS}${BEHIND}`
}

describe('chunked, alone, is served', () => {
  testCases(
    ['chunked', 'Chunked', 'CHUNKED', '\tchunked '].map((value) => ({
      name: JSON.stringify(value),
      write: [`POST /a HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: ${value}\r\n\r\n${CHUNKS}`],
      statuses: [200],
      got: ['POST /a hello'],
    })),
  )
})

describe('another Transfer-Encoding is refused and ends the connection, whatever else the head says', () => {
  const known: Omit<Case, 'name' | 'write'> = { statuses: [501], ends: true, error: 'NOT_IMPLEMENTED' }
  const broken: Omit<Case, 'name' | 'write'> = { statuses: [400], ends: true, error: 'BAD_REQUEST' }

  testCases([
    ...[
      'gzip',
      'identity',
      '"chunked"',
      'chunked;a=b',
      'xchunked',
      'chunkedx',
      'gzip, chunked',
      'gzip,chunked',
      ',chunked',
      'gzip\r\nTransfer-Encoding: chunked',
    ].map((value) => ({
      name: JSON.stringify(value),
      write: [post(`Transfer-Encoding: ${value}`)],
      ...known,
    })),
    ...[
      'chunked, gzip',
      'chunked, chunked',
      'chunked,',
      '\u000bchunked',
      'chunked\r\nTransfer-Encoding: gzip',
      'chunked\r\nTransfer-Encoding: chunked',
      'chunked\r\nContent-Length: 5',
      '\r\n chunked',
    ].map((value) => ({
      name: JSON.stringify(value),
      write: [post(`Transfer-Encoding: ${value}`)],
      ...broken,
    })),
    { name: 'HTTP/1.0 has none', write: [post('Transfer-Encoding: chunked', '1.0')], ...broken },
    {
      name: 'HTTP/1.0 has none, kept alive neither',
      write: [post('Connection: keep-alive\r\nTransfer-Encoding: chunked', '1.0')],
      ...broken,
    },
    { name: 'on a GET', write: [post('Transfer-Encoding: gzip, chunked').replace('POST', 'GET')], ...known },
    {
      name: 'in a segment of its own',
      write: post('Transfer-Encoding: gzip, chunked').split(/(?<=\n)/),
      ...known,
    },
    {
      // Its head is rejected while it waits, and then llhttp finds it broken as well: the answer is that of its head.
      name: 'behind another request',
      write: [GET + post('Transfer-Encoding: gzip')],
      ...known,
      statuses: [200, 501],
      got: ['GET /first'],
    },
    {
      name: 'behind another request, broken by what llhttp reads alone',
      write: [GET + post('Transfer-Encoding: chunked, gzip')],
      ...broken,
      statuses: [200, 400],
      got: ['GET /first'],
    },
  ])
})

// Node 20 calls it 501, by our rule; from 22 on llhttp finds it broken by itself.
describe('an empty Transfer-Encoding is refused and ends the connection', () => {
  const status = Number(process.versions.node.split('.')[0]) < 22 ? 501 : 400
  testCases(
    ['', ' ', '\t', '\r\nTransfer-Encoding: ', ' chunked\r\nTransfer-Encoding:'].map((value) => ({
      name: JSON.stringify(value),
      write: [post(`Transfer-Encoding:${value}`)],
      statuses: [status],
      ends: true,
      error: status === 501 ? 'NOT_IMPLEMENTED' : 'BAD_REQUEST',
    })),
  )
})
