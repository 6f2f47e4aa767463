import { expect, test } from 'vitest'
import { wrongRequest } from './request-options.js'

test.each([
  { path: '/' },
  { path: 'http://orders/v1' },
  { path: 'https://orders/v1' },
  { path: 'elsewhere:443', method: 'CONNECT' },
  { path: '/', origin: 'http://orders', timeoutMs: 5, hashKey: 'a', caller: { address: '10.0.0.7' } },
])('takes %j', (options) => {
  expect(wrongRequest(options)).toBeUndefined()
})

test.each([
  [undefined, /^options of request/],
  [null, /^options of request/],
  ['/v1', /^options of request/],
  [{}, /^path of request/],
  [{ path: 5 }, /^path of request/],
  [{ path: 'v1' }, /^path of request/],
  [{ path: 'ftp://orders/v1' }, /^path of request/],
  [{ path: 'a/http://orders/v1' }, /^path of request/],
  [{ path: '/', json: {} }, /^request: unknown option json: .* \(here it is body: JSON\.stringify/],
  [{ path: '/', timeOutMs: 5 }, /^request: unknown option timeOutMs: .*timeoutMs/],
])('refuses %j, and says what to write', (options, message) => {
  expect(wrongRequest(options)).toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringMatching(message) as unknown,
  })
})
