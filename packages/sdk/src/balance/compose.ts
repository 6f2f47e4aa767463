import { FairleadError } from '../errors.js'
import { invalidOption, shown } from '../validation/invalid-option.js'
import { whyNoBalancer } from './balancer-option.js'
import { balancers, type BalancerName } from './balancers.js'
import type { Balancer, Layer } from './picker.js'

/**
 * Puts layers around a policy: a request passes them from left to right. The order is up to you; where all are used,
 * this one gives each its expected effect: `subset`, `locality`, `slowStart`, `reportedWeights`.
 *
 * @param parts Layers, and at the end the policy, by name or your own.
 * @throws FairleadError `INVALID_OPTION` for an invalid part, such as a factory that was not called.
 * @example
 * ```ts
 * import { compose, createClient, locality, slowStart, subset } from '@fairlead/sdk'
 *
 * const orders = createClient('orders', {
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
  if (parts.length === 0) {
    throw invalidOption('compose', 'nothing', "layers and a policy at the end, such as 'peak_ewma'")
  }
  // The last is the policy: the type says so, which an index cannot.
  const policy = parts.at(-1) as Balancer | BalancerName
  const why = whyNoBalancer(policy)
  if (why !== undefined) throw invalidOption('the policy of compose', policy, why)
  const layers = parts.slice(0, -1) as readonly Layer[]
  return layers.reduceRight(before, typeof policy === 'string' ? balancers[policy] : policy)
}

function before(next: Balancer, layer: Layer, index: number): Balancer {
  let balancer: unknown
  let cause: unknown
  try {
    balancer = layer(next)
  } catch (thrown) {
    cause = thrown
  }
  if (typeof balancer === 'function' && whyNoBalancer(balancer) === undefined) return balancer as Balancer
  const { name = '' } = layer as { readonly name?: string }
  // A factory has taken the policy for its options.
  const hint = typeof layer === 'function' && name !== '' ? `; ${name} is called to get one` : ''
  throw new FairleadError(
    'INVALID_OPTION',
    `part ${index + 1} of compose is ${shown(layer)}: it must be a layer, such as slowStart()${hint}`,
    { cause },
  )
}
