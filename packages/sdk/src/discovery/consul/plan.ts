import type { AddressChoice } from './address.js'
import type { ConsulQuestion } from './question.js'
import type { WatchTarget } from './watch.js'
import type { ChainTarget, DiscoveryChain } from './discovery-chain.js'
import type { ServerPolicy } from '../server-policy.js'

/** Where else instances may be, when there are not enough; every part that is absent is as in the first place. */
export interface FailoverTarget {
  /** The name of a service there. Default: the name that the client was made for. */
  readonly service?: string | undefined
  /** A datacenter of the same federation. Default: the one that is asked first. */
  readonly datacenter?: string | undefined
  /** Consul Enterprise: a namespace. Default: the one that is asked first. */
  readonly namespace?: string | undefined
  /** Consul Enterprise: an admin partition. Default: the one that is asked first. */
  readonly partition?: string | undefined
  /** A cluster peering (Consul 1.13 or newer), by the name that it has in the local cluster; its exported instances. */
  readonly peer?: string | undefined
}

export interface PlanOptions {
  readonly question: ConsulQuestion
  readonly failover: readonly FailoverTarget[]
  readonly scheme: 'http' | 'https' | undefined
  /** `auto`: `wan` for another datacenter than the agent's. */
  readonly network: 'auto' | AddressChoice['network']
  readonly ipFamily: AddressChoice['ipFamily']
}

/** What is watched for a service, best first, and what the registry configures for its clients. */
export interface Plan {
  readonly targets: readonly [WatchTarget, ...WatchTarget[]]
  readonly policy: ServerPolicy | undefined
}

/**
 * Which questions to ask for a service; pure. The client's options go before the registry's: its own
 * failover replaces that of the chain.
 *
 * @param chain Undefined: the registry says nothing of this service.
 * @param localDatacenter The agent's, where it is known.
 */
export function planOf(
  service: string,
  options: PlanOptions,
  chain: DiscoveryChain | undefined,
  localDatacenter: string | undefined,
): Plan {
  const { question, failover } = options
  const own = chain === undefined ? { service, question } : askedFor(chain.targets[0], question)
  const others =
    failover.length > 0
      ? failover.map(({ service: name, ...rest }) => ({
          service: name ?? own.service,
          question: { ...own.question, ...given(rest) },
        }))
      : (chain?.targets.slice(1) ?? []).map((target) => askedFor(target, question))
  const onlyPassing = chain?.targets.map((target) => target.onlyPassing) ?? []
  const [first, ...rest] = [own, ...others].map((asked, priority) => ({
    ...asked,
    read: {
      priority,
      scheme: options.scheme,
      address: { network: networkOf(options, asked.question, localDatacenter), ipFamily: options.ipFamily },
      onlyPassing: onlyPassing[failover.length > 0 ? 0 : priority] ?? false,
      keyPrefix: keyPrefixOf(asked.question),
    },
  })) as [WatchTarget, ...WatchTarget[]]
  return { targets: [first, ...rest], policy: chain?.policy }
}

/** A target of the chain: as the client asks, in the place that the chain names. */
function askedFor(
  target: ChainTarget,
  question: ConsulQuestion,
): { readonly service: string; readonly question: ConsulQuestion } {
  const { service, datacenter, namespace, partition, peer } = target
  return {
    service,
    question: {
      ...question,
      ...given({ datacenter, namespace, partition, peer }),
      filter: both(question.filter, target.filter),
    },
  }
}

function both(one: string | undefined, other: string | undefined): string | undefined {
  return one === undefined || other === undefined ? (one ?? other) : `(${one}) and (${other})`
}

/** Without what is undefined, so that it overrides nothing. */
function given<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>
}

function networkOf(
  { network }: PlanOptions,
  { datacenter, peer }: ConsulQuestion,
  localDatacenter: string | undefined,
): AddressChoice['network'] {
  if (network !== 'auto') return network
  const elsewhere = peer !== undefined || (datacenter !== undefined && datacenter !== localDatacenter)
  return elsewhere ? 'wan' : 'lan'
}

function keyPrefixOf({ datacenter, peer }: ConsulQuestion): string {
  return peer !== undefined ? `${peer}:` : datacenter !== undefined ? `${datacenter}:` : ''
}
