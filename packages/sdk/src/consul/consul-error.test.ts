import { expect, test } from 'vitest'
import { ConsulError, isRejection } from './consul-error.js'

test('keeps what it is told', () => {
  const cause = new Error('why')
  const error = new ConsulError('no', { cause, statusCode: 429, said: 'limit', retryAfterMs: 5 })
  expect(error).toMatchObject({
    name: 'ConsulError',
    message: 'no',
    statusCode: 429,
    said: 'limit',
    retryAfterMs: 5,
  })
  expect(error.cause).toBe(cause)
  const bare = new ConsulError('no')
  expect(bare).toMatchObject({ statusCode: undefined, said: '', retryAfterMs: 0 })
  expect('cause' in bare).toBe(false)
})

// Statuses and texts as Consul 1.8.7 gave them.
test.each<[number | undefined, string, boolean]>([
  [undefined, '', false],
  [429, '', false],
  [502, 'Bad Gateway', false],
  [503, '', false],
  [504, '', false],
  [403, 'ACL not found', false],
  [403, 'rpc error making call: ACL not found', false],
  [500, 'No cluster leader', false],
  [500, 'rpc error making call: No cluster leader', false],
  [
    500,
    'rpc error getting client: failed to get conn: dial tcp 127.0.0.5:0->127.0.0.2:40089: connect: connection refused',
    false,
  ],
  [500, "rpc error: lead thread didn't get connection", false],
  [500, 'rpc error making call: EOF', false],
  [500, 'No known Consul servers', false],
  [403, 'Permission denied', true],
  [500, 'Connect must be enabled in order to use this endpoint', true],
  [500, 'rpc error making call: Connect must be enabled in order to use this endpoint', true],
  [500, "rpc error making call: rpc: can't find method DiscoveryChain.Get", true],
  [500, 'Failed to create boolean expression evaluator: 1:8 (7): no match found', true],
  [500, '', true],
  [404, '', true],
  [400, 'Bad request', true],
  [405, 'method POST not allowed', true],
  [301, '', true],
  [501, '', true],
])('%s %j refuses for good: %s', (statusCode, said, refuses) => {
  const details = { said, ...(statusCode === undefined ? {} : { statusCode }) }
  expect(isRejection(new ConsulError('no', details))).toBe(refuses)
})
