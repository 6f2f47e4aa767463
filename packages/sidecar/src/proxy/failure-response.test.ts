import { FairleadError, type FairleadErrorCode } from '@fairlead/sdk'
import { expect, test } from 'vitest'
import { badRequest } from '../inbound/error-response.js'
import { errorResponse } from './failure-response.js'

const TABLE: Readonly<Record<FairleadErrorCode, readonly [number, string]>> = {
  NO_ENDPOINTS: [503, 'NO_ENDPOINTS'],
  UNAVAILABLE: [503, 'UNAVAILABLE'],
  OVERLOADED: [503, 'OVERLOADED'],
  CLIENT_CLOSED: [503, 'CLIENT_CLOSED'],
  DEADLINE_EXCEEDED: [504, 'DEADLINE_EXCEEDED'],
  ATTEMPTS_EXHAUSTED: [502, 'ATTEMPTS_EXHAUSTED'],
  INVALID_OPTION: [400, 'BAD_REQUEST'],
}

test('an option of the SDK is named by our flag', () => {
  const error = new FairleadError('DEADLINE_EXCEEDED', 'no response after 9 ms (option timeoutMs)')
  expect(errorResponse(error, 'orders').message).toBe('no response after 9 ms (--timeout)')
})

test.each(Object.entries(TABLE))('%s', (code, [status, shown]) => {
  const error = new FairleadError(code as FairleadErrorCode, 'why', { service: 'orders' })
  expect(errorResponse(error, 'orders')).toEqual({ status, code: shown, message: 'why', service: 'orders' })
})

function coded(code: string): Error {
  return Object.assign(new Error('why'), { code })
}

test.each(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'])(
  '%s: what no instance can be sent is the fault of the request',
  (code) => {
    expect(errorResponse(coded(code), 'orders')).toEqual({
      status: 400,
      code: 'BAD_REQUEST',
      message: 'the request cannot be forwarded: why',
      service: 'orders',
    })
  },
)

test.each(['UND_ERR_SOCKET', 'UND_ERR_INVALID_ARGUMENTS', 'X_UND_ERR_INVALID_ARG', 'ECONNRESET'])(
  '%s is not',
  (code) => {
    expect(errorResponse(coded(code), 'orders')).toMatchObject({ status: 500, code: 'INTERNAL' })
  },
)

test('anything else is a fault of ours', () => {
  expect(errorResponse(new TypeError('why'), undefined)).toEqual({
    status: 500,
    code: 'INTERNAL',
    message: 'why',
    service: undefined,
  })
})

test('a bad request says so', () => {
  expect(badRequest('why', undefined)).toEqual({
    status: 400,
    code: 'BAD_REQUEST',
    message: 'the request cannot be forwarded: why',
    service: undefined,
  })
})
