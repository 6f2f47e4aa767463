import { createSecretKey, type KeyObject } from 'node:crypto'
import { inspect } from 'node:util'
import * as v from 'valibot'
import { holdsOptions } from '../validation/known-names.js'
import { count, group } from '../validation/schemas.js'
import type { StickySettings } from './sticky-options.js'

// 128 bits in hexadecimal, too many to try; `openssl rand -hex 32` gives twice that.
const SECRET_LENGTH = 32
// RFC 9110, 5.6.2, and RFC 6265, 4.1.1: names of headers and of cookies are tokens.
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/
// RFC 6265, 4.1.1: anything but controls and ";".
const PATH = /^\/[ -:<-~]*$/
const DOMAIN = /^[a-z\d](?:[a-z\d.-]*[a-z\d])?$/i
// They have a meaning of their own, most of them to the connection.
const TAKEN =
  /^(?:connection|content-length|cookie|host|keep-alive|set-cookie|te|trailer|transfer-encoding|upgrade)$/i
// What browsers cap it to: 400 days (RFC 6265bis, 5.5).
const LONGEST_AGE_SECONDS = 34_560_000

const name = v.optional(
  v.pipe(v.string('a name'), v.regex(TOKEN, "a name of letters, digits and !#$%&'*+-.^_`|~")),
)

// Whatever is wrong with it, the message must not show it.
const secret = v.pipe(
  v.unknown(),
  v.rawTransform<unknown, readonly KeyObject[]>(({ dataset, addIssue, NEVER }) => {
    const { value } = dataset
    const secrets: readonly unknown[] = Array.isArray(value) ? value : [value]
    if (secrets.length > 0 && secrets.every(isSecret)) {
      return secrets.map((text) => createSecretKey(Buffer.from(text)))
    }
    const wanted = `text of ${SECRET_LENGTH} characters or more, or several such in an array`
    addIssue({ input: hidden(described(value)), message: wanted })
    return NEVER
  }),
)

/** Takes `StickyOptions` for {@link StickySettings}. */
export const stickySchema: v.GenericSchema<unknown, StickySettings> = v.pipe(
  v.unknown(),
  v.rawCheck(({ dataset: { value }, addIssue }) => {
    // A secret in the wrong place is one all the same.
    if (!holdsOptions(value)) {
      addIssue({ input: hidden(described(value)), message: 'an object such as { cookie, secret }' })
    }
  }),
  group({
    cookie: name,
    header: name,
    secret,
    maxAgeSeconds: v.optional(count(1, LONGEST_AGE_SECONDS)),
    path: v.optional(
      v.pipe(v.string('a path'), v.regex(PATH, 'a path that begins with "/", without ";"')),
      '/',
    ),
    domain: v.optional(
      v.pipe(v.string('a host name'), v.regex(DOMAIN, 'a host name, without a dot before it')),
    ),
    secure: v.optional(v.boolean('true or false'), false),
    sameSite: v.optional(v.picklist(['strict', 'lax', 'none'], '"strict", "lax" or "none"'), 'lax'),
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return
    const message = whyRefused(dataset.value)
    if (message !== undefined) addIssue({ input: hidden(listed(dataset.value)), message })
  }),
  v.transform(({ secret: secrets, header, cookie = '', ...attributes }): StickySettings => {
    const carrier =
      header === undefined
        ? ({ kind: 'cookie', name: cookie, attributes: written(attributes) } as const)
        : ({ kind: 'header', name: header } as const)
    return { carrier, secrets }
  }),
)

interface CookieAttributes {
  readonly maxAgeSeconds?: number | undefined
  readonly path: string
  readonly domain?: string | undefined
  readonly secure: boolean
  readonly sameSite: 'strict' | 'lax' | 'none'
}

interface Checked extends CookieAttributes {
  readonly cookie?: string | undefined
  readonly header?: string | undefined
}

/** What the options must be together, where they are not. */
function whyRefused(options: Checked): string | undefined {
  const { cookie, header, maxAgeSeconds, path, domain, secure, sameSite } = options
  if ((cookie === undefined) === (header === undefined)) return 'with exactly one of cookie and header'
  if (header !== undefined) {
    if (TAKEN.test(header)) return `with a header that is for nothing else, and not ${header}`
    const plain = maxAgeSeconds === undefined && domain === undefined && path === '/' && !secure
    return plain && sameSite === 'lax' ? undefined : 'without what only a cookie has'
  }
  // Browsers drop such cookies without a word (RFC 6265bis, 5.7).
  if (sameSite === 'none' && !secure) return 'with secure: true where sameSite is "none"'
  if (/^__(?:Secure|Host)-/i.test(cookie ?? '') && !secure)
    return `with secure: true for the cookie ${cookie}`
  if (/^__Host-/i.test(cookie ?? '') && (domain !== undefined || path !== '/')) {
    return `with path "/" and without domain for the cookie ${cookie}`
  }
  return undefined
}

/** As a `Set-Cookie` has them after its value (RFC 6265, 4.1.1). */
function written({ maxAgeSeconds, path, domain, secure, sameSite }: CookieAttributes): string {
  const site = { strict: 'Strict', lax: 'Lax', none: 'None' }[sameSite]
  return [
    `; Path=${path}; HttpOnly; SameSite=${site}`,
    maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`,
    domain === undefined ? '' : `; Domain=${domain}`,
    secure ? '; Secure' : '',
  ].join('')
}

function isSecret(value: unknown): value is string {
  return typeof value === 'string' && value.length >= SECRET_LENGTH
}

/** What a value is, without what is in it. */
function described(value: unknown): string {
  if (typeof value === 'string') return `text of ${value.length} characters`
  if (Array.isArray(value)) return `[${value.map(described).join(', ')}]`
  return value === undefined || value === null ? String(value) : `of type ${typeof value}`
}

/** What was given of the two. */
function listed({ cookie, header }: Checked): string {
  const given = [cookie === undefined ? [] : ['cookie'], header === undefined ? [] : ['header']].flat()
  return given.length === 0 ? 'without either' : `with ${given.join(' and ')}`
}

/** Text that a message shows as it is. */
function hidden(text: string): object {
  return { [inspect.custom]: () => text }
}
