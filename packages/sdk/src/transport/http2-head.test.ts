import { expect, test } from 'vitest'
import { http2RequestHead, sizeOf, toRawHeaders } from './http2-head.js'

const ORIGIN = 'http://10.0.0.1:8080'
const PSEUDO = { ':method': 'GET', ':scheme': 'http', ':authority': '10.0.0.1:8080', ':path': '/' }

const head = (headers: unknown, path = '/'): ReturnType<typeof http2RequestHead> =>
  http2RequestHead({ method: 'GET', path, headers: headers as string[] }, ORIGIN)

test.each([
  ['none', undefined, {}],
  ['null', null, {}],
  ['names and values in turn', ['X-A', 'b', 'x-a', 'c'], { 'x-a': 'b, c' }],
  [
    'a record',
    { 'X-A': 'b', 'x-n': 1, 'x-u': undefined, 'x-0': null },
    { 'x-a': 'b', 'x-n': '1', 'x-0': '' },
  ],
  ['a record with lists', { 'x-a': ['b', null, 'c'] }, { 'x-a': 'b, , c' }],
  ['pairs', new Map([['X-A', 'b']]), { 'x-a': 'b' }],
  [
    'values without the white space around them',
    ['x-a', ' b\t', 'x-b', ' ', 'x-c', '\xa0'],
    { 'x-a': 'b', 'x-b': '', 'x-c': '\xa0' },
  ],
  [
    'names that every object has',
    ['constructor', 'a', '__proto__', 'b'],
    Object.fromEntries([
      ['constructor', 'a'],
      ['__proto__', 'b'],
    ]),
  ],
  ['cookies, joined as RFC 9113 has it', ['cookie', 'a=1', 'Cookie', 'b=2'], { cookie: 'a=1; b=2' }],
])('headers as undici takes them: %s', (_, headers, fields) => {
  expect(head(headers).fields).toEqual({ ...PSEUDO, ...fields })
})

test.each([
  ['connection', 'close'],
  ['Keep-Alive', 'timeout=5'],
  ['proxy-connection', 'keep-alive'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'h2c'],
  ['http2-settings', 'AAMAAABkAAQCAAAAAAIAAAAA'],
  ['te', 'gzip'],
])('what is of one connection is not sent: %s', (name, value) => {
  expect(head([name, value]).fields).toEqual(PSEUDO)
})

test('nor is what Connection names', () => {
  expect(
    head(['x-hop', '1', 'connection', 'close, X-Hop, TE', 'te', 'trailers, deflate;q=0.5']).fields,
  ).toEqual({
    ...PSEUDO,
    te: 'trailers',
  })
})

test('but Connection names no pseudo-header', () => {
  expect(head(['connection', ':path, :method, :authority']).fields).toEqual(PSEUDO)
})

test('Host is the authority, and the target in absolute form says its own', () => {
  expect(head(['Host', 'orders.test']).fields).toEqual({ ...PSEUDO, ':authority': 'orders.test' })
  expect(head(['Host', '']).fields).toEqual(PSEUDO)
  expect(head([], 'http://other.test/a?b=c').fields).toEqual({
    ...PSEUDO,
    ':authority': 'other.test',
    ':path': '/a?b=c',
  })
})

test.each([
  [['x a', 'b'], 'invalid header key'],
  [[':path', '/b'], 'invalid header key'],
  [['x-a', 'b\r\nx-c: d'], 'invalid x-a header'],
  [['x-a', 'b\0'], 'invalid x-a header'],
  [['x-a', { b: 'c' }], 'invalid x-a header'],
  [['content-length', '1x'], 'invalid content-length header'],
  [['content-length', '1', 'Content-Length', '1'], 'duplicate content-length header'],
  [['expect', '100-continue'], 'expect header not supported'],
])('what cannot be sent is refused: %j', (headers, message) => {
  expect(() => head(headers)).toThrow(message)
})

test('the length that the caller tells is of the body, not of the head', () => {
  expect(head(['content-length', '12'])).toEqual({ fields: PSEUDO, contentLength: 12 })
})

test('a head of a response is names and values as bytes, without pseudo-headers', () => {
  const raw = toRawHeaders([':status', '200', 'x-a', 'b\xe4', 'x-a', 'c'])
  expect(raw.map((each) => each.toString('latin1'))).toEqual(['x-a', 'b\xe4', 'x-a', 'c'])
  expect(sizeOf(raw)).toBe(3 + 2 + 3 + 1)
})
