import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import * as v from 'valibot'
import { sessionCarrier, type SessionCarrier } from './session-carrier.js'
import { stickySchema } from './sticky-schema.js'

const TOKEN = 'abcdefghijklmnopqrstuvwxyz012-_9'
const secret = 's'.repeat(32)
const carrierOf = (options: object): SessionCarrier =>
  sessionCarrier(v.parse(stickySchema, { secret, ...options }).carrier)
const raw = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))
const shown = (headers: readonly Buffer[]): string[] => headers.map((each) => each.toString())

const cookie = carrierOf({ cookie: 'sid' })
const header = carrierOf({ header: 'X-Session' })

test.each([
  [{}, '; Path=/; HttpOnly; SameSite=Lax'],
  [{ maxAgeSeconds: 60 }, '; Path=/; HttpOnly; SameSite=Lax; Max-Age=60'],
  [
    { path: '/v1', domain: 'example.com', secure: true, sameSite: 'none' },
    '; Path=/v1; HttpOnly; SameSite=None; Domain=example.com; Secure',
  ],
  [{ sameSite: 'strict' }, '; Path=/; HttpOnly; SameSite=Strict'],
])('a cookie with %j', (options, attributes) => {
  const carrier = carrierOf({ cookie: 'sid', ...options })
  expect(shown(carrier.write([], TOKEN))).toEqual(['set-cookie', `sid=${TOKEN}${attributes}`])
})

test("the backend's own cookies stay, also one of the same name, and the list that was read is not changed", () => {
  const before = raw('Set-Cookie', 'a=1', 'content-type', 'text/plain', 'set-cookie', 'sid=2')
  const length = before.length
  expect(shown(cookie.write(before, TOKEN)).slice(0, length)).toEqual(shown(before))
  expect(before).toHaveLength(length)
})

test('a header takes the place of one of its name', () => {
  const before = raw('X-SESSION', 'other', 'a', 'x-session', 'x-session', 'more')
  expect(shown(header.write(before, TOKEN))).toEqual(['a', 'x-session', 'x-session', TOKEN])
})

test.each([
  ['an object', { Cookie: `a=1; sid=${TOKEN}`, 'x-SESSION': TOKEN }],
  ['lists in an object', { cookie: ['a=1', `sid=${TOKEN}`], 'x-session': [TOKEN, 'b'] }],
  ['a flat list', ['Cookie', 'a=1', 'COOKIE', `sid="${TOKEN}"`, 'X-Session', TOKEN]],
  ['pairs', new Map([['cookie', `b=2;sid=${TOKEN} ;a=1`] as const, ['x-session', TOKEN] as const])],
  ['Headers', new Headers({ cookie: `sid=${TOKEN}`, 'x-session': TOKEN })],
])('is read from %s', (_, headers) => {
  expect(cookie.read(headers as never)).toBe(TOKEN)
  expect(header.read(headers as never)).toBe(TOKEN)
})

test.each([null, undefined, {}, [], ['cookie'], { cookie: undefined }, { cookie: `Sid=${TOKEN}` }])(
  'is not there in %j',
  (headers) => {
    expect(cookie.read(headers as never)).toBeUndefined()
    expect(header.read(headers as never)).toBeUndefined()
  },
)

test('whatever stands in a cookie, reading it is harmless, and ours is found among others', () => {
  const other = fc
    .uint8Array()
    .map((bytes) => Buffer.from(bytes).toString('latin1'))
    .filter((text) => !text.includes(';') && !text.trim().startsWith('sid='))
  const others = fc.array(other, { maxLength: 4 })
  fc.assert(
    fc.property(others, others, (before, after) => {
      const text = [...before, `sid=${TOKEN}`, ...after].join('; ')
      expect(cookie.read({ cookie: text })).toBe(TOKEN)
      expect(cookie.read({ cookie: [...before, ...after] })).toBeUndefined()
    }),
  )
})
