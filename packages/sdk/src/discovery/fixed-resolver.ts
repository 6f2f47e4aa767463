import { isIP } from 'node:net'
import * as v from 'valibot'
import { FairleadError } from '../errors.js'
import { orAborted } from '../pacing/or-aborted.js'
import { pathOf, validationError } from '../validation/validation-error.js'
import {
  duplicateIn,
  entrySchema,
  instanceOf,
  metaSchema,
  tagsSchema,
  type InstanceEntry,
} from './instance-entry.js'
import { parseOrigin } from './origin.js'
import type { Instance, Resolver, ResolverEvent } from './resolver.js'

const ORIGIN = 'http://host:port or https://host:port, without a path'
const KEY = 'a string that no other instance has'
const WEIGHT = 'a number from 0 to 65535'
const PRIORITY = 'a whole number, 0 or more'

// Loose, as what else an instance may carry is not for us to know.
const instanceSchema = v.looseObject({
  key: v.pipe(v.string(KEY), v.minLength(1, KEY)),
  origin: v.pipe(
    v.string(ORIGIN),
    v.check((value) => parseOrigin(value) !== undefined, ORIGIN),
  ),
  addresses: v.optional(
    v.array(
      v.pipe(
        v.string('an IP address'),
        v.check((value) => isIP(value) !== 0, 'an IP address'),
      ),
      'a list of IP addresses',
    ),
  ),
  weight: v.pipe(v.number(WEIGHT), v.minValue(0, WEIGHT), v.maxValue(65_535, WEIGHT)),
  priority: v.pipe(v.number(PRIORITY), v.integer(PRIORITY), v.minValue(0, PRIORITY)),
  tags: tagsSchema,
  meta: metaSchema,
  locality: v.looseObject({}, 'an object, such as {}'),
})

const schema = v.array(
  v.lazy((entry) => (isInstance(entry) ? instanceSchema : entrySchema)),
  'a list of origins or instances',
)

/**
 * A resolver that knows one unchanging set, for every service: for tests, benchmarks, and services outside Consul.
 *
 * @param instances `http://host:port` or `https://host:port`, each with weight 1; objects with `address`, `port` and
 *   what else there is to say; or whole instances.
 * @throws FairleadError `INVALID_OPTION`, naming the value and what it should be.
 * @example
 * ```ts
 * import { createClient, fixedResolver } from '@fairlead/sdk'
 *
 * const resolver = fixedResolver(['http://127.0.0.1:8080', { address: '127.0.0.1', port: 8081, weight: 3 }])
 * const orders = createClient('orders', { resolver })
 * ```
 */
export function fixedResolver(instances: readonly (InstanceEntry | Instance)[]): Resolver {
  const checked = v.safeParse(schema, instances)
  if (!checked.success) {
    const [issue] = checked.issues
    throw validationError(issue, 'instances', ['instances', ...pathOf(issue)])
  }
  const set = instances.map((entry) =>
    isInstance(entry) ? Object.freeze({ ...entry }) : instanceOf(entry, 'fixed'),
  )
  const duplicate = duplicateIn(set, 'instances')
  if (duplicate !== undefined) throw new FairleadError('INVALID_OPTION', duplicate.complaint)
  const snapshot: ResolverEvent = Object.freeze({
    kind: 'snapshot',
    instances: Object.freeze(set),
    excluded: [],
  })
  return {
    name: 'a fixed list',
    async *watch(_service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
      if (signal.aborted) return
      yield snapshot
      await orAborted(new Promise(() => undefined), signal)
    },
  }
}

function isInstance(entry: unknown): entry is Instance {
  return typeof entry === 'object' && entry !== null && 'origin' in entry
}
