import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CommanderError } from 'commander'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { parseConfig, type Config } from './config.js'
import { stickyOf } from './sticky-name.js'

const folder = mkdtempSync(join(tmpdir(), 'fairlead-sticky-'))
const [newer, older] = ['correct-horse-battery-staple-0002', 'correct-horse-battery-staple-0001'] as const
const file = join(folder, 'secrets')
writeFileSync(file, `${newer}\r\n\n  ${older}\n`)
const short = join(folder, 'short')
writeFileSync(short, 'correct-horse\n')

// commander prints before it throws: what it prints is what a person reads.
let printed = ''

beforeEach(() => {
  printed = ''
  const print = (text: string | Uint8Array): boolean => {
    printed += String(text)
    return true
  }
  vi.spyOn(process.stdout, 'write').mockImplementation(print)
  vi.spyOn(process.stderr, 'write').mockImplementation(print)
  for (const name of Object.keys(process.env)) if (name.startsWith('FAIRLEAD_')) vi.stubEnv(name, undefined)
})

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

function parse(environment: Readonly<Record<string, string>>, argv: readonly string[]): Config['sticky'] {
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(`FAIRLEAD_STICKY_${name}`, value)
  return parseConfig(argv, '1.2.3').sticky
}

test.each<[Record<string, string>, string[], Config['sticky']]>([
  [{}, [], undefined],
  [{ SECRET: '' }, [], undefined],
  [{ SECRET: newer }, ['--sticky-cookie', 'sid'], { cookie: 'sid', secret: [newer] }],
  [{ SECRET: `${newer}, ${older}` }, ['--sticky-header=x-s'], { header: 'x-s', secret: [newer, older] }],
  [{ SECRET: newer, COOKIE: 'sid-{service}' }, [], { cookie: 'sid-{service}', secret: [newer] }],
  [{ SECRET: newer, COOKIE: 'sid' }, ['--sticky-cookie', 'other'], { cookie: 'other', secret: [newer] }],
  [{ SECRET: newer, HEADER: 'x-s' }, [], { header: 'x-s', secret: [newer] }],
  [{ COOKIE: 'sid' }, ['--sticky-secret-file', file], { cookie: 'sid', secret: [newer, older] }],
  [
    { SECRET: newer },
    ['--sticky-cookie', 'sid-{service}; max-age=60;Path=/v1; Secure ; HttpOnly; SameSite=None;Domain = a.b'],
    {
      cookie: 'sid-{service}',
      maxAgeSeconds: 60,
      path: '/v1',
      secure: true,
      sameSite: 'none',
      domain: 'a.b',
      secret: [newer],
    },
  ],
  [{ COOKIE: 'sid', SECRET_FILE: file }, [], { cookie: 'sid', secret: [newer, older] }],
])('%j %j', (environment, argv, sticky) => {
  expect(parse(environment, argv)).toEqual(sticky)
})

describe('is refused, without a word of the secret', () => {
  const named = ['--sticky-cookie', 'sid']
  test.each<[Record<string, string>, string[], string]>([
    [{}, named, '--sticky-cookie needs a secret: set FAIRLEAD_STICKY_SECRET, or --sticky-secret-file <path>'],
    [{ HEADER: 'x-s' }, [], '--sticky-header needs a secret'],
    [{ SECRET: newer }, [], 'FAIRLEAD_STICKY_SECRET is set without --sticky-cookie or --sticky-header'],
    [{ SECRET_FILE: file }, [], '--sticky-secret-file is set without'],
    [{ SECRET: newer, SECRET_FILE: file }, named, 'are both set: remove one of them'],
    [
      { SECRET: 'correct-horse' },
      named,
      '--sticky-cookie, signed by FAIRLEAD_STICKY_SECRET: sticky.secret is [text',
    ],
    [{ SECRET: `${newer},correct-horse` }, named, 'text of 13 characters]: it must be text of 32 characters'],
    [
      { SECRET_FILE: short },
      named,
      '--sticky-cookie, signed by --sticky-secret-file: sticky.secret is [text of 13',
    ],
    [{ SECRET_FILE: join(folder, 'none') }, named, 'is invalid. It cannot be read: ENOENT'],
    [{ SECRET: newer, HEADER: 'x-s' }, named, "'--sticky-cookie <cookie>' cannot be used with"],
    [{ SECRET: newer }, ['--sticky-cookie', 'a b'], "'a b' is invalid. Its name must be of letters"],
    [{ SECRET: newer }, ['--sticky-cookie', ''], "'' is invalid. Its name must be of letters"],
    [{ SECRET: newer }, ['--sticky-cookie', 'a; Expires=0'], 'not "Expires=0"'],
    [{ SECRET: newer }, ['--sticky-cookie', 'a; Secure=1'], 'not "Secure=1"'],
    [{ SECRET: newer }, ['--sticky-cookie', 'a; Path'], 'not "Path"'],
    [{ SECRET: newer }, ['--sticky-cookie', 'a;'], 'not ""'],
    [
      { SECRET: newer },
      ['--sticky-cookie', 'a; Max-Age=1h'],
      'sticky.maxAgeSeconds is NaN: it must be a whole',
    ],
    [{ SECRET: newer }, ['--sticky-cookie', 'a; SameSite=any'], "sticky.sameSite is 'any': it must be"],
    [
      { SECRET: newer },
      ['--sticky-header', 'x-{name}'],
      "'x-{name}' is invalid. Its name must be of letters",
    ],
    [{ SECRET: newer }, ['--sticky-header', 'content-length'], 'and not content-length'],
    [{ SECRET: newer }, ['--sticky-cookie', '__Host-sid'], 'with secure: true for the cookie __Host-sid'],
  ])('%j %j', (environment, argv, said) => {
    expect(() => parse(environment, argv)).toThrow(CommanderError)
    expect(printed).toContain(said)
    expect(printed).not.toContain('correct-horse')
  })

  test('there is no flag for the secret itself', () => {
    expect(() => parse({}, [...named, '--sticky-secret', newer])).toThrow(CommanderError)
    expect(printed).toContain("unknown option '--sticky-secret'")
  })
})

test('help names the flags and their variables, and where the secret comes from', () => {
  expect(() => parse({}, ['--help'])).toThrow(CommanderError)
  for (const name of ['cookie', 'header', 'secret-file']) {
    expect(printed).toContain(`--sticky-${name} `)
    expect(printed).toContain(`FAIRLEAD_STICKY_${name.toUpperCase().replace('-', '_')})`)
  }
  expect(printed).toContain('from FAIRLEAD_STICKY_SECRET or --sticky-secret-file;')
})

test('{service} in a name is the service', () => {
  const secret = [newer]
  expect(stickyOf({ cookie: 'a-{service}-{service}', secret }, 'orders')).toEqual({
    cookie: 'a-orders-orders',
    secret,
  })
  expect(stickyOf({ header: 'x-{service}', secret }, 'orders.v1')).toEqual({ header: 'x-orders.v1', secret })
})
