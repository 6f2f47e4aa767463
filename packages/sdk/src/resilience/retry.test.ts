import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { whyNotRetry } from './retry.js'

const stream = new PassThrough()

test.each([
  ['GET', undefined, null, true, undefined],
  ['HEAD', undefined, null, true, undefined],
  ['PUT', undefined, 'text', true, undefined],
  ['DELETE', undefined, Buffer.from('x'), true, undefined],
  ['PUT', undefined, new Blob(['x']), true, undefined],
  ['POST', undefined, 'text', false, undefined],
  ['POST', undefined, stream, false, undefined],
  ['POST', true, 'text', true, undefined],
  ['POST', undefined, 'text', true, 'POST is not idempotent and may have reached the endpoint'],
  ['PATCH', undefined, 'text', true, 'PATCH is not idempotent and may have reached the endpoint'],
  ['GET', false, null, true, 'GET is not idempotent and may have reached the endpoint'],
  ['PUT', undefined, stream, true, 'its body is a stream that was cut, or is longer than 64 KiB'],
  ['POST', true, stream, true, 'its body is a stream that was cut, or is longer than 64 KiB'],
])('%s, idempotent %s, body %s, written %s: %s', (method, idempotent, body, written, refusal) => {
  expect(whyNotRetry({ method, idempotent, body, written })?.text).toBe(refusal)
})
