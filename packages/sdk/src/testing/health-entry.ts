/** What a {@link healthEntry} says where it differs from a healthy instance of `orders` on node-1. */
export interface HealthEntryOverrides {
  /** Fields of `Node`, by Consul's names, such as `{ Address: '10.0.0.2' }`. */
  readonly node?: object
  /** Fields of `Service`, by Consul's names, such as `{ Weights: { Passing: 3, Warning: 1 } }`. */
  readonly service?: object
  /** See {@link healthCheck}. Default: none, which is healthy. */
  readonly checks?: readonly object[]
}

/**
 * An instance as `/v1/health/service/<name>` lists it.
 *
 * @example
 * ```ts
 * import { healthCheck, healthEntry } from '@fairlead/sdk/testing'
 *
 * healthEntry(8080) // orders-8080 at 10.0.0.1:8080, healthy
 * healthEntry(8081, { service: { Address: '127.0.0.1', Weights: { Passing: 3, Warning: 1 } } })
 * healthEntry(8082, { checks: [healthCheck('critical')] })
 * ```
 */
export function healthEntry(port: number, overrides: HealthEntryOverrides = {}): object {
  return {
    Node: { Node: 'node-1', Address: '10.0.0.1', Datacenter: 'dc1', ...overrides.node },
    Service: {
      ID: `orders-${port}`,
      Service: 'orders',
      Address: '',
      Port: port,
      Tags: [],
      Meta: {},
      Weights: { Passing: 1, Warning: 1 },
      ...overrides.service,
    },
    Checks: overrides.checks ?? [],
  }
}

/**
 * A check of a {@link healthEntry}; `maintenance` is that of the node, as `consul maint` makes it.
 *
 * @param serviceId Undefined: it is a check of the node.
 */
export function healthCheck(
  status: 'passing' | 'warning' | 'critical' | 'maintenance',
  serviceId?: string,
): object {
  const inMaintenance = status === 'maintenance'
  return {
    CheckID: inMaintenance ? '_node_maintenance' : `check-${status}`,
    Status: inMaintenance ? 'critical' : status,
    ServiceID: serviceId ?? '',
  }
}
