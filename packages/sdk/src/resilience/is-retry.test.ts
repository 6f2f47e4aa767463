import { expect, test } from 'vitest'
import { isRetry } from './is-retry.js'

test.each([
  [{ 'x-envoy-attempt-count': '2' }, true],
  [{ 'X-Envoy-Attempt-Count': '1' }, false],
  [['x-envoy-attempt-count', '3'], true],
  [{ 'x-envoy-attempt-count': 'two' }, false],
  [{ 'x-envoy-attempt-count': ['2', '3'] }, false],
  [{ 'grpc-previous-rpc-attempts': '1' }, true],
  [{ 'grpc-previous-rpc-attempts': '0' }, false],
  [{ 'x-try': '2' }, true],
  [{ 'x-other': '2' }, false],
  [undefined, false],
  [null, false],
])('%j: %s', (headers, expected) => {
  expect(isRetry(headers, 'X-Try')).toBe(expected)
})

test('without a header of our own the known ones count', () => {
  expect(isRetry({ 'x-try': '2' }, undefined)).toBe(false)
})
