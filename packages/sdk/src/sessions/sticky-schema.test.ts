import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { FairleadError } from '../errors.js'
import { parseOptions } from '../client-options.js'

const SECRET = 'correct-horse-battery-staple-4711'
const SHORT = 'correct-horse'

function refused(sticky: unknown): FairleadError {
  try {
    parseOptions('orders', { sticky }, {})
  } catch (error) {
    return error as FairleadError
  }
  throw new Error('it was not refused')
}

describe('says what is wrong, and never the secret', () => {
  const wanted = 'it must be text of 32 characters or more, or several such in an array'
  test.each<[unknown, string]>([
    [SHORT, 'sticky is text of 13 characters: it must be an object such as { cookie, secret }'],
    [[SHORT], 'sticky is [text of 13 characters]: it must be an object such as { cookie, secret }'],
    [null, 'sticky is null: it must be an object such as { cookie, secret }'],
    [{ cookie: 'sid' }, 'sticky.secret is missing'],
    [{ cookie: 'sid', secret: undefined }, `sticky.secret is undefined: ${wanted}`],
    [{ cookie: 'sid', secret: SHORT }, `sticky.secret is text of 13 characters: ${wanted}`],
    [{ cookie: 'sid', secret: [] }, `sticky.secret is []: ${wanted}`],
    [
      { cookie: 'sid', secret: [SECRET, SHORT, 7] },
      `sticky.secret is [text of 33 characters, text of 13 characters, of type number]: ${wanted}`,
    ],
    [{ cookie: 'sid', secret: Buffer.from(SECRET) }, `sticky.secret is of type object: ${wanted}`],
    [
      { cookie: 'sid', secret: SECRET, secrets: [SECRET] },
      'unknown option sticky.secrets: remove it or check its spelling (did you mean secret?)',
    ],
    [{ secret: SECRET }, 'sticky is without either: it must be with exactly one of cookie and header'],
    [
      { cookie: 'a', header: 'b', secret: SECRET },
      'sticky is with cookie and header: it must be with exactly one of cookie and header',
    ],
    [{ cookie: 'a b', secret: SECRET }, "sticky.cookie is 'a b': it must be a name of letters"],
    [{ cookie: '', secret: SECRET }, "sticky.cookie is '': it must be a name of letters"],
    [{ header: 'a:b', secret: SECRET }, "sticky.header is 'a:b': it must be a name of letters"],
    [{ header: 'Content-Length', secret: SECRET }, 'and not Content-Length'],
    [{ header: 'a', secret: SECRET, secure: true }, 'it must be without what only a cookie has'],
    [
      { cookie: 'a', secret: SECRET, maxAgeSeconds: 0 },
      'sticky.maxAgeSeconds is 0: it must be a whole number',
    ],
    [{ cookie: 'a', secret: SECRET, path: '/;x' }, "sticky.path is '/;x': it must be a path"],
    [{ cookie: 'a', secret: SECRET, path: 'x' }, "sticky.path is 'x': it must be a path"],
    [{ cookie: 'a', secret: SECRET, domain: 'a.b;' }, "sticky.domain is 'a.b;': it must be a host name"],
    [
      { cookie: 'a', secret: SECRET, sameSite: 'Lax' },
      'sticky.sameSite is \'Lax\': it must be "strict", "lax"',
    ],
    [
      { cookie: 'a', secret: SECRET, sameSite: 'none' },
      'sticky is with cookie: it must be with secure: true where sameSite is "none"',
    ],
    [{ cookie: '__Secure-a', secret: SECRET }, 'it must be with secure: true for the cookie __Secure-a'],
    [
      { cookie: '__Host-a', secret: SECRET, secure: true, path: '/a' },
      'it must be with path "/" and without domain for the cookie __Host-a',
    ],
  ])('of case %#', (sticky, said) => {
    const error = refused(sticky)
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(said) as unknown })
    expect(inspect(error, { depth: 9 })).not.toContain('correct-horse')
  })
})

test('the settings do not show the secret', () => {
  const { sticky } = parseOptions('orders', { sticky: { cookie: 'sid', secret: [SECRET, SECRET] } }, {})
  expect(sticky?.secrets).toHaveLength(2)
  expect(inspect(sticky, { depth: 9, showHidden: true })).not.toContain('correct-horse')
  expect(JSON.stringify(sticky)).not.toContain('correct-horse')
})
