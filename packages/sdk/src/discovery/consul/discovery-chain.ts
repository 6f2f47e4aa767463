import { goDurationMs } from './go-duration.js'
import { asJson, field, list, text, type Json } from '../../consul/json.js'
import type { HashPolicy, LoadBalancerPolicy, ServerPolicy } from '../server-policy.js'

/** Where a chain sends requests: what to ask Consul for. */
export interface ChainTarget {
  readonly service: string
  /** Undefined: that of the agent. */
  readonly datacenter: string | undefined
  readonly namespace: string | undefined
  readonly partition: string | undefined
  readonly peer: string | undefined
  /** Of its subset. */
  readonly filter: string | undefined
  readonly onlyPassing: boolean
}

/** What a `service-resolver` says of a service: redirects and the default subset followed, failover in its order. */
export interface DiscoveryChain {
  readonly targets: readonly [ChainTarget, ...ChainTarget[]]
  readonly policy: ServerPolicy
}

/**
 * Reads an answer of `/v1/discovery-chain/<name>` that was compiled for TCP, so that it begins with a resolver.
 *
 * @throws Error when it is not one.
 */
export function decodeChain(body: unknown): DiscoveryChain {
  const chain = field(body, 'Chain')
  const node = field(chain['Nodes'], text(chain['StartNode']))
  const resolver = field(node, 'Resolver')
  const localDatacenter = text(chain['Datacenter'])
  const targets = field(chain, 'Targets')
  const ids = [resolver['Target'], ...list(field(resolver, 'Failover')['Targets'])].map(text)
  const [first, ...failover] = ids.map((id) => {
    const target = field(targets, id)
    if (text(target['Service']) === '')
      throw new Error(`the discovery chain names no target ${JSON.stringify(id)}`)
    return decodeTarget(target, localDatacenter)
  })
  if (first === undefined) throw new Error('the discovery chain has no target')
  return { targets: [first, ...failover], policy: decodePolicy(node, resolver) }
}

function decodeTarget(target: Json, localDatacenter: string): ChainTarget {
  const subset = field(target, 'Subset')
  const datacenter = text(target['Datacenter'])
  const optional = (value: unknown): string | undefined => text(value) || undefined
  return {
    service: text(target['Service']),
    datacenter: datacenter === localDatacenter ? undefined : optional(datacenter),
    // Every community edition says "default", and rejects it in a query.
    namespace: notDefault(text(target['Namespace'])),
    partition: notDefault(text(target['Partition'])),
    peer: optional(target['Peer']),
    filter: optional(subset['Filter']),
    onlyPassing: subset['OnlyPassing'] === true,
  }
}

function decodePolicy(node: Json, resolver: Json): ServerPolicy {
  const loadBalancer = decodeLoadBalancer(field(node, 'LoadBalancer'))
  // Without a service-resolver Consul makes one up, with a timeout of its own, which is not a configured one.
  const connectTimeoutMs = resolver['Default'] === true ? undefined : goDurationMs(resolver['ConnectTimeout'])
  return { connectTimeoutMs, requestTimeoutMs: goDurationMs(resolver['RequestTimeout']), loadBalancer }
}

function decodeLoadBalancer(json: Json): LoadBalancerPolicy | undefined {
  const policy = text(json['Policy'])
  if (policy === '') return undefined
  return {
    policy,
    choiceCount: positive(field(json, 'LeastRequestConfig')['ChoiceCount']),
    minimumRingSize: positive(field(json, 'RingHashConfig')['MinimumRingSize']),
    maximumRingSize: positive(field(json, 'RingHashConfig')['MaximumRingSize']),
    hashPolicies: list(json['HashPolicies']).flatMap((entry) => decodeHashPolicy(asJson(entry))),
  }
}

function decodeHashPolicy(json: Json): readonly HashPolicy[] {
  const terminal = json['Terminal'] === true
  if (json['SourceIP'] === true) return [{ field: 'source_ip', name: '', terminal }]
  const of = text(json['Field'])
  const name = text(json['FieldValue'])
  return of === 'header' || of === 'cookie' || of === 'query_parameter' ? [{ field: of, name, terminal }] : []
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined
}

function notDefault(value: string): string | undefined {
  return value === '' || value === 'default' ? undefined : value
}
