import { describe } from 'vitest'
import { testCases, type Case } from './cases.js'

const GET = 'GET /first HTTP/1.1\r\nHost: orders\r\n\r\n'

function post(expectation: string, version = '1.1'): string {
  return `POST /a HTTP/${version}\r\nHost: orders\r\nExpect: ${expectation}\r\nContent-Length: 5\r\n\r\n`
}

describe('an expectation that cannot be met is rejected, and the connection goes on. RFC 9110, 10.1.1', () => {
  const failed: Omit<Case, 'name' | 'write'> = { statuses: [417], error: 'EXPECTATION_FAILED' }

  testCases([
    {
      name: 'without a body',
      write: ['GET /a HTTP/1.1\r\nHost: orders\r\nExpect: 200-ok\r\n\r\n'],
      ...failed,
    },
    { name: 'with a body that comes along', write: [`${post('200-ok')}hello`], ...failed },
    { name: 'with a body that comes later', write: [post('200-ok'), 'hello'], ...failed },
    {
      name: 'with a body that is like a request',
      write: [`${post('200-ok').replace('5', String(GET.length))}${GET}`],
      ...failed,
    },
    ...['200-ok, 100-continue', '100-continue\r\nExpect: 200-ok', 'x-100-continue', '100-continue;q=1'].map(
      (expectation) => ({
        // Without its 100 Continue, so that it may or may not send its body.
        name: JSON.stringify(expectation),
        write: [`${post(expectation)}hello`],
        ...failed,
        ends: true,
      }),
    ),
    {
      name: 'behind another request',
      write: [`${GET}${post('200-ok')}hello`],
      ...failed,
      statuses: [200, 417],
      got: ['GET /first'],
    },
    {
      name: 'from a client that closes',
      write: ['GET /a HTTP/1.1\r\nHost: orders\r\nExpect: 200-ok\r\nConnection: close\r\n\r\n'],
      ...failed,
      ends: true,
    },
  ])
})

describe('100 Continue stands before its own response, and in no other place', () => {
  testCases([
    {
      name: 'behind a safe request, of an answer that is given at once',
      write: [
        `${GET}GET /a HTTP/1.1\r\nHost: orders\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n`,
      ],
      statuses: [200, 400],
      got: ['GET /first'],
      ends: true,
      error: 'BAD_REQUEST',
    },
  ])
})

describe('an expectation is not a reason not to serve', () => {
  testCases([
    { name: '100-continue', write: [post('100-continue'), 'hello'], statuses: [200], got: ['POST /a hello'] },
    {
      name: '100-continue, in capitals',
      write: [`${post('100-CONTINUE')}hello`],
      statuses: [200],
      got: ['POST /a hello'],
    },
    {
      name: '100-continue, 100-continue',
      write: [`${post('100-continue, 100-continue')}hello`],
      statuses: [200],
      got: ['POST /a hello'],
    },
    {
      name: 'of HTTP/1.0, which knows none',
      write: [`${post('200-ok', '1.0')}hello`],
      statuses: [200],
      got: ['POST /a hello'],
      ends: true,
    },
  ])
})
