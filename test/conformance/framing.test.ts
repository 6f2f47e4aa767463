import { describe } from 'vitest'
import { testCases } from './cases.js'
import { bytewise } from './wire.js'

const POST = 'POST /b HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\n\r\nhello'
const CHUNKED =
  'POST /c HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'

describe('what is well formed arrives, however it is cut into segments', () => {
  testCases([
    { name: 'in one', write: [POST], statuses: [200], got: ['POST /b hello'] },
    { name: 'byte by byte', write: bytewise(POST), statuses: [200], got: ['POST /b hello'] },
    { name: 'chunked, byte by byte', write: bytewise(CHUNKED), statuses: [200], got: ['POST /c hello'] },
    {
      name: 'HEAD, whose response has no body',
      write: ['HEAD /h HTTP/1.1\r\nHost: orders\r\n\r\n'],
      statuses: [200],
      got: ['HEAD /h'],
    },
  ])
})
