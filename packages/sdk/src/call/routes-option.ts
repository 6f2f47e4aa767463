import * as v from 'valibot'
import { hedgeSchema, type HedgeOptions, type HedgeSettings } from '../resilience/hedge-options.js'
import { retryRulesSchema, type RetryRules, type RetryRuleSettings } from '../resilience/retry-options.js'
import { flag, group, LONGEST_MS, millisecondsOrInfinity } from '../validation/schemas.js'

/** Which requests a route is for: those that fit all that is given. */
export interface RouteMatch {
  /** A method or several, in capitals. Default: all. */
  readonly method?: string | readonly string[] | undefined
  /**
   * The path without its query: as it is, or with a `*` as its last character for all that begin so, or a regular
   * expression without the flags `g` and `y`. Default: all.
   */
  readonly path?: string | RegExp | undefined
}

/** What holds for the requests of a route, in place of what the client has for all. */
export interface RouteOptions {
  /** Which requests. The first route that fits is the one. */
  readonly match: RouteMatch
  /** As of the client. What a request says itself goes before it. */
  readonly timeoutMs?: number | undefined
  /** As of the client, field by field: what is not given is as for the client. `false`: one attempt. */
  readonly retry?: RetryRules | false | undefined
  /** As of the client, as a whole. `false`: none. */
  readonly hedge?: HedgeOptions | false | undefined
  /** May its requests reach an endpoint twice, whatever their method is? What a request says itself goes before it. */
  readonly idempotent?: boolean | undefined
}

/** A route as calls go by it. */
export interface RouteSettings {
  readonly fits: (method: string, pathname: string) => boolean
  readonly timeoutMs: number | undefined
  readonly retry: Partial<RetryRuleSettings> | undefined
  /** Null: none, whatever the client has. Undefined: as the client has it. */
  readonly hedge: HedgeSettings | null | undefined
  readonly idempotent: boolean | undefined
}

const METHOD = 'a method in capitals, such as GET, or an array of them'
const PATH =
  'a path from its slash on as it is sent (%20 for a space), without query and fragment, such as /v1/orders or /v1/orders/*, or a regular expression without the flags g and y'

// What undici sends in a path, without what ends one; anything else would be a route that no request can fit.
const PATH_ON_THE_WIRE = /^\/[!-\u00ff]*$/
const NOT_IN_A_ROUTE = /[?#]|\*./

const method = v.pipe(v.string(METHOD), v.regex(/^[!#$%&'*+.^_`|~A-Z\d-]+$/, METHOD))
const path = v.custom<string | RegExp>(
  (value) =>
    value instanceof RegExp
      ? !value.global && !value.sticky
      : typeof value === 'string' && PATH_ON_THE_WIRE.test(value) && !NOT_IN_A_ROUTE.test(value),
  PATH,
)

/** As `routes` says them. */
export const routesSchema: v.GenericSchema<readonly RouteOptions[], readonly RouteSettings[]> = v.array(
  v.pipe(
    group({
      match: group({
        method: v.optional(
          v.union([method, v.pipe(v.array(method, METHOD), v.minLength(1, METHOD))], METHOD),
        ),
        path: v.optional(path),
      }),
      timeoutMs: v.optional(millisecondsOrInfinity(1, LONGEST_MS)),
      retry: v.optional(retryRulesSchema),
      // Not a union with `false`, which would have words of its own for what the schema refuses.
      hedge: v.optional(
        v.pipe(
          hedgeSchema,
          v.transform((hedge) => hedge ?? null),
        ),
      ),
      idempotent: v.optional(flag),
    }),
    v.transform(({ match, timeoutMs, retry, hedge, idempotent }) => ({
      fits: matcher(match),
      timeoutMs,
      retry,
      hedge,
      idempotent,
    })),
  ),
  'an array of routes, such as [{ match: { path: "/v1/orders/*" }, timeoutMs: 500 }]',
)

function matcher({ method, path }: RouteMatch): RouteSettings['fits'] {
  const methods = method === undefined ? undefined : new Set([method].flat())
  const fitsPath = pathMatcher(path)
  return (ofRequest, pathname) => (methods === undefined || methods.has(ofRequest)) && fitsPath(pathname)
}

function pathMatcher(path: RouteMatch['path']): (pathname: string) => boolean {
  if (path === undefined) return () => true
  if (path instanceof RegExp) return (pathname) => path.test(pathname)
  if (!path.endsWith('*')) return (pathname) => pathname === path
  const prefix = path.slice(0, -1)
  return (pathname) => pathname.startsWith(prefix)
}
