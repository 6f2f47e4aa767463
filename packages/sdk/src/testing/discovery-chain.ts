/** Where a chain leads; every part that is absent is as for the service itself, in the agent's datacenter. */
export interface FakeChainTarget {
  /** Default: the service that the chain is of. */
  readonly service?: string
  /** The name of a subset of the `service-resolver`. Default: none, all instances. */
  readonly subset?: string
  /** Of the subset, such as `Service.Meta.version == v2`. */
  readonly filter?: string
  /** Of the subset: exclude instances with a warning. Default: not said, as in Consul false. */
  readonly onlyPassing?: boolean
  /** Default `dc1`, unless there is a `peer`. */
  readonly datacenter?: string
  /** Default `default`. */
  readonly namespace?: string
  /** Default: not said. */
  readonly partition?: string
  /** The name of a cluster peering, in place of a datacenter. Default: none. */
  readonly peer?: string
}

/** What a {@link discoveryChain} says of a service. */
export interface FakeChainOptions {
  /** Where requests go first. Default: the service itself, in the agent's datacenter. */
  readonly target?: FakeChainTarget
  /** Where to go when there are too few, in this order. */
  readonly failover?: readonly FakeChainTarget[]
  /** As Consul writes it, such as `3s`. Default `5s`, as with Consul. */
  readonly connectTimeout?: string
  /** In milliseconds. */
  readonly requestTimeoutMs?: number
  /** As in a `service-resolver`, such as `{ Policy: 'least_request' }`. */
  readonly loadBalancer?: object
}

/**
 * A discovery chain as Consul compiles it from a `service-resolver`, for {@link FakeConsul.configure}.
 *
 * @param options Undefined: as for a service that has no `service-resolver`.
 *
 * @example
 * ```ts
 * import { discoveryChain } from '@fairlead/sdk/testing'
 *
 * discoveryChain('orders', {
 *   target: { subset: 'v2', filter: 'Service.Meta.version == v2' },
 *   failover: [{ datacenter: 'dc2' }],
 *   loadBalancer: { Policy: 'least_request', LeastRequestConfig: { ChoiceCount: 3 } },
 * })
 * ```
 */
export function discoveryChain(service: string, options?: FakeChainOptions): object {
  const { target = {}, failover = [], connectTimeout = '5s', requestTimeoutMs, loadBalancer } = options ?? {}
  const first = compiled(service, target)
  const others = failover.map((place) => compiled(service, place))
  const name = `resolver:${first.ID}`
  return {
    Chain: {
      ServiceName: service,
      Namespace: 'default',
      Datacenter: 'dc1',
      Protocol: 'tcp',
      StartNode: name,
      Nodes: {
        [name]: {
          Type: 'resolver',
          Name: first.ID,
          Resolver: {
            ...(options === undefined ? { Default: true } : {}),
            ConnectTimeout: connectTimeout,
            // A number of nanoseconds: of the two, Consul marshals only the other one as text.
            ...(requestTimeoutMs === undefined ? {} : { RequestTimeout: requestTimeoutMs * 1e6 }),
            Target: first.ID,
            ...(others.length === 0 ? {} : { Failover: { Targets: others.map(({ ID }) => ID) } }),
          },
          ...(loadBalancer === undefined ? {} : { LoadBalancer: loadBalancer }),
        },
      },
      Targets: Object.fromEntries([first, ...others].map((target) => [target.ID, target])),
    },
  }
}

interface CompiledTarget {
  readonly ID: string
  readonly [field: string]: unknown
}

function compiled(ofService: string, target: FakeChainTarget): CompiledTarget {
  const { service = ofService, subset, namespace = 'default', datacenter = 'dc1' } = target
  const { partition, peer, filter, onlyPassing } = target
  const id = [subset, service, namespace, peer ?? datacenter].filter((part) => part !== undefined).join('.')
  return {
    ID: id,
    Service: service,
    ServiceSubset: subset,
    Namespace: namespace,
    Partition: partition,
    Datacenter: peer === undefined ? datacenter : undefined,
    Peer: peer,
    MeshGateway: {},
    // What is undefined is not in JSON, as with Consul.
    Subset: { Filter: filter, OnlyPassing: onlyPassing },
    Name: id,
  }
}
