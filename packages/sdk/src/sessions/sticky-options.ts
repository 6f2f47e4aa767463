import type { KeyObject } from 'node:crypto'

/**
 * What signs sessions, 32 characters or more. Of several the first signs and all are accepted. To change it, let all
 * clients of the service accept the new one first (`[old, new]`), then sign with it (`[new, old]`); take the old one out
 * when its sessions may end.
 */
export type StickySecret = string | readonly string[]

/** Sessions in a cookie, as browsers keep them. */
export interface StickyCookieOptions {
  /** Its name. */
  readonly cookie: string
  /** Not given: the session is in a cookie. */
  readonly header?: undefined
  /** What signs the cookie, 32 characters or more; several for a change of the secret. */
  readonly secret: StickySecret
  /** How long it is kept from when it was set, in seconds, up to 400 days. Default: until the browser is closed. */
  readonly maxAgeSeconds?: number | undefined
  /** Default `/`. */
  readonly path?: string | undefined
  /** Default: only the host that set it. */
  readonly domain?: string | undefined
  /** Sent over https only. Default false. */
  readonly secure?: boolean | undefined
  /** Default `lax`. */
  readonly sameSite?: 'strict' | 'lax' | 'none' | undefined
}

/** Sessions in a header of that name, in the response as in the request, for callers that keep it themselves. */
export interface StickyHeaderOptions {
  /** The header's name. */
  readonly header: string
  /** Not given: the session is in a header. */
  readonly cookie?: undefined
  /** What signs the header's value, 32 characters or more; several for a change of the secret. */
  readonly secret: StickySecret
}

/**
 * Requests of a session go to the endpoint that answered the first of them, for as long as it is there.
 *
 * @example
 * ```ts
 * import { createClient, type StickyOptions } from '@fairlead/sdk'
 *
 * const sticky: StickyOptions = { cookie: 'orders-session', secret: process.env['SESSION_SECRET'] ?? '' }
 * const orders = createClient('orders', { sticky })
 * ```
 */
export type StickyOptions = StickyCookieOptions | StickyHeaderOptions

/** {@link StickyOptions} with every default in its place. */
export interface StickySettings {
  readonly carrier:
    | { readonly kind: 'cookie'; readonly name: string; readonly attributes: string }
    | { readonly kind: 'header'; readonly name: string }
  /** The first signs. As key objects, which show nothing of themselves in a log. */
  readonly secrets: readonly KeyObject[]
}
