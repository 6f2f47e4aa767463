import * as v from 'valibot'
import { group } from '../validation/schemas.js'
import type { HashPolicy } from '../discovery/server-policy.js'

/** One part of what a request is hashed by: exactly one of the six, such as `{ header: 'x-user' }`. */
export interface HashPolicyOption {
  /** A request header, by name, or `:path` or `:method`. Its values count in any order. */
  readonly header?: string | undefined
  /** A cookie, by name. One that is empty counts as none. */
  readonly cookie?: string | undefined
  /** A query parameter, by name: the first of that name, as it stands in the path, not decoded. */
  readonly queryParameter?: string | undefined
  /** The path with its query. */
  readonly path?: true | undefined
  /** The path without its query. */
  readonly pathname?: true | undefined
  /** The address of the caller that the request is made for, where the request has a `caller`. */
  readonly sourceIp?: true | undefined
  /** No later part counts once there is a hash. Default false. */
  readonly terminal?: boolean | undefined
}

// RFC 9110, 5.6.2, a token; and before it the colon of `:path`.
const NAME = /^:?[\w!#$%&'*+.^`|~-]+$/

const present = v.optional(v.literal(true, 'true, or left out'))

const name = v.optional(v.pipe(v.string('a name'), v.regex(NAME, 'a name without spaces')))

/** Takes a {@link HashPolicyOption} for what Consul's servers would send. */
export const hashPolicySchema: v.GenericSchema<HashPolicyOption, HashPolicy> = v.pipe(
  group(
    {
      header: name,
      cookie: name,
      queryParameter: v.optional(v.pipe(v.string('a name'), v.minLength(1, 'a name that is not empty'))),
      path: present,
      pathname: present,
      sourceIp: present,
      terminal: v.optional(v.boolean('true or false')),
    },
    'an object such as { header: "x-user" }',
  ),
  v.check(
    ({ header, cookie, queryParameter, path, pathname, sourceIp }) =>
      [header, cookie, queryParameter, path, pathname, sourceIp].filter((part) => part !== undefined)
        .length === 1,
    'exactly one of { header }, { cookie }, { queryParameter }, { path: true }, { pathname: true } and { sourceIp: true }',
  ),
  v.transform(({ header, cookie, queryParameter, pathname, sourceIp, terminal = false }): HashPolicy => {
    if (cookie !== undefined) return { field: 'cookie', name: cookie, terminal }
    if (queryParameter !== undefined) return { field: 'query_parameter', name: queryParameter, terminal }
    if (pathname !== undefined) return { field: 'pathname', name: '', terminal }
    if (sourceIp !== undefined) return { field: 'source_ip', name: '', terminal }
    return { field: 'header', name: header ?? ':path', terminal }
  }),
)
