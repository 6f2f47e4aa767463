import type { Instance, Resolver, ResolverEvent } from './resolver.js'

/**
 * A resolver that knows one unchanging set: for tests, benchmarks, and services outside Consul.
 *
 * @param origins `http://host:port`, each with weight 1, or whole instances.
 * @example
 * ```ts
 * import { createClient, fixedResolver } from '@fairlead/sdk'
 *
 * await using orders = createClient('orders', { resolver: fixedResolver(['http://127.0.0.1:8080']) })
 * ```
 */
export function fixedResolver(origins: readonly (string | Instance)[]): Resolver {
  const instances = origins.map((entry) => (typeof entry === 'string' ? instanceAt(entry) : entry))
  return {
    name: 'a fixed list',
    async *watch(_service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
      yield { kind: 'snapshot', instances, excluded: [] }
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve()
        else signal.addEventListener('abort', () => resolve(), { once: true })
      })
    },
  }
}

function instanceAt(origin: string): Instance {
  const { host } = new URL(origin)
  return Object.freeze({
    key: `fixed/${host}@${host}`,
    origin,
    weight: 1,
    priority: 0,
    tags: [],
    meta: {},
    locality: {},
  })
}
