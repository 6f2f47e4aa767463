import * as v from 'valibot'
import type { HashPolicy } from '../discovery/server-policy.js'

/** One part of what a request is hashed by: exactly one of the four, such as `{ header: 'x-user' }`. */
export interface HashPolicyOption {
  /** A request header, by name, or `:path` or `:method`. Its values count in any order. */
  readonly header?: string | undefined
  /** A cookie, by name. One that is empty counts as none. */
  readonly cookie?: string | undefined
  /** A query parameter, by name: the first of that name, as it stands in the path, not decoded. */
  readonly queryParameter?: string | undefined
  /** The path with its query. */
  readonly path?: true | undefined
  /** No later part counts once there is a hash. Default false. */
  readonly terminal?: boolean | undefined
}

// RFC 9110, 5.6.2, a token; and before it the colon of `:path`.
const NAME = /^:?[\w!#$%&'*+.^`|~-]+$/

const name = v.optional(v.pipe(v.string('a name'), v.regex(NAME, 'a name without spaces')))

/** Takes a {@link HashPolicyOption} for what Consul's servers would send. */
export const hashPolicySchema: v.GenericSchema<HashPolicyOption, HashPolicy> = v.pipe(
  v.strictObject(
    {
      header: name,
      cookie: name,
      queryParameter: v.optional(v.pipe(v.string('a name'), v.minLength(1, 'a name that is not empty'))),
      path: v.optional(v.literal(true, 'true, or left out')),
      terminal: v.optional(v.boolean('true or false')),
    },
    'an object such as { header: "x-user" }',
  ),
  v.check(
    ({ header, cookie, queryParameter, path }) =>
      [header, cookie, queryParameter, path].filter((part) => part !== undefined).length === 1,
    'exactly one of { header }, { cookie }, { queryParameter } and { path: true }',
  ),
  v.transform(({ header, cookie, queryParameter, terminal = false }): HashPolicy => {
    if (cookie !== undefined) return { field: 'cookie', name: cookie, terminal }
    if (queryParameter !== undefined) return { field: 'query_parameter', name: queryParameter, terminal }
    return { field: 'header', name: header ?? ':path', terminal }
  }),
)
