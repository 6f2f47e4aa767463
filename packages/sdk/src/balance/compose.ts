import { balancers, type BalancerName } from './balancers.js'
import type { Balancer, Layer } from './picker.js'

/**
 * Puts layers before a policy: a request goes through them from left to right. Which of them come first is up to you;
 * where all are used, this order does what one expects of each: `subset`, `locality`, `slowStart`, `reportedWeights`.
 *
 * @param parts Layers, and at the end the policy, by name or your own.
 * @example
 * ```ts
 * import { compose, createClient, locality, slowStart, subset } from '@fairlead/sdk'
 *
 * await using orders = createClient('orders', {
 *   balancer: compose(
 *     subset({ size: 20, id: process.env['HOSTNAME'] ?? 'a' }),
 *     locality({ zone: 'eu-west-1a' }),
 *     slowStart({ windowMs: 30_000 }),
 *     'peak_ewma',
 *   ),
 * })
 * ```
 */
export function compose(...parts: readonly [...layers: Layer[], policy: Balancer | BalancerName]): Balancer {
  // The last is the policy: the type says so, which an index cannot.
  const policy = parts.at(-1) as Balancer | BalancerName
  const layers = parts.slice(0, -1) as readonly Layer[]
  return layers.reduceRight(
    (next, layer) => layer(next),
    typeof policy === 'string' ? balancers[policy] : policy,
  )
}
