import { experimental, type ClientOptions as StubOptions } from '@grpc/grpc-js'
import { partsOf } from '../client.js'
import type { Client } from '../client-interface.js'
import { FairleadError } from '../errors.js'
import { invalidOption } from '../validation/invalid-option.js'
import { clientOption } from './client-option.js'
import { withinDeadline } from './within-deadline.js'
import { ServiceBalancer } from './load-balancer.js'
import { ServiceResolver } from './resolver.js'
import { LOAD_BALANCER, ServiceBalancerConfig } from './service-config.js'
import { stubChannel } from './stub-channel.js'

/**
 * The options of a stub of `@grpc/grpc-js`, or of a channel, whose calls go where a client of Fairlead's sends them. Its target is
 * `fairlead:<service>`; with another one the stub throws, and a bare channel fails its calls. Each attempt of a call is one
 * pick by the client's policy, with its circuits and its accounting; deadlines, retries, metadata,
 * interceptors and credentials are grpc-js's own. A stub's calls take the deadline of `withDeadline` around them where that
 * is earlier.
 *
 * Close the stub when it is not needed any more, and the client after it.
 *
 * @param options Other options, such as `grpc.keepalive_time_ms` and `interceptors`; of `grpc.service_config` all but the load
 *   balancer holds. A proxy of the environment (`grpc_proxy`, `http_proxy`) is not used, as the name of the service is
 *   nothing that it knows.
 * @throws TypeError for what is no client of `createClient`; FairleadError `INVALID_OPTION` for a service config that is not
 *   JSON, or names a load balancer of its own.
 * @example
 * ```ts
 * import { createClient } from '@fairlead/sdk'
 * import { balancedBy } from '@fairlead/sdk/grpc'
 * import { Client, credentials } from '@grpc/grpc-js'
 *
 * const orders = createClient('orders')
 * // In place of `Client`, what was generated from your .proto.
 * const stub = new Client('fairlead:orders', credentials.createInsecure(), balancedBy(orders))
 * ```
 */
export function balancedBy(client: Client, options: StubOptions = {}): StubOptions {
  const parts = partsOf(client)
  // Each time: it is the same, and grpc-js is the one that keeps it.
  experimental.registerResolver(LOAD_BALANCER, ServiceResolver)
  experimental.registerLoadBalancerType(LOAD_BALANCER, ServiceBalancer, ServiceBalancerConfig)
  return {
    ...options,
    ...clientOption(parts),
    'grpc.service_config': withBalancer(options['grpc.service_config']),
    'grpc.enable_http_proxy': 0,
    channelFactoryOverride: stubChannel(options.channelFactoryOverride),
    callInvocationTransformer: withinDeadline(options.callInvocationTransformer),
  }
}

const NAME = 'grpc.service_config'

function withBalancer(text: string | undefined): string {
  const config = text === undefined ? {} : parsed(text)
  const { loadBalancingConfig: given } = config
  if (given !== undefined) {
    throw new FairleadError(
      'INVALID_OPTION',
      `${NAME} has a loadBalancingConfig: leave it out, as the client has its own (option balancer of createClient)`,
    )
  }
  return JSON.stringify({ ...config, loadBalancingConfig: [{ [LOAD_BALANCER]: {} }] })
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {
    // As for other JSON.
  }
  throw invalidOption(NAME, text, 'an object as JSON, such as {"methodConfig":[]}')
}
