import type { Waiting } from './blocking-index.js'

/** How old an answer may be; see Consul's documentation, features/consistency. */
export type Consistency = 'default' | 'stale' | 'consistent'

/** What is asked about a service, besides its name. */
export interface ConsulQuestion {
  /** Undefined: the agent's own. */
  readonly datacenter: string | undefined
  readonly namespace: string | undefined
  readonly partition: string | undefined
  /** A cluster that this one imports services from. */
  readonly peer: string | undefined
  /** Sort by distance from this node; `_agent`: the agent's own. Switches Consul's streaming off. */
  readonly near: string | undefined
  /** An expression such as `Service.Meta.version == "2"`. */
  readonly filter: string | undefined
  /** Instances must have all of them. */
  readonly tags: readonly string[]
  readonly consistency: Consistency
  /** Let the agent answer from its cache. */
  readonly cached: boolean
}

/**
 * Who has to answer: anyone that the question allows; the servers, which a query asks that does not block and does not want
 * the agent's cache; or the leader, as what came from elsewhere was too old.
 */
export type Asked = 'anyone' | 'servers' | 'leader'

/**
 * The query string of a question; pure.
 * Without `passing`: "unknown", "all critical" and "all in maintenance" are told apart here, not in the agent.
 */
export function healthQuery(question: ConsulQuestion, of: Asked, waiting?: Waiting): URLSearchParams {
  const query = new URLSearchParams()
  const { datacenter, namespace, partition, peer, near, filter, tags, consistency, cached } = question
  if (datacenter !== undefined) query.set('dc', datacenter)
  if (namespace !== undefined) query.set('ns', namespace)
  if (partition !== undefined) query.set('partition', partition)
  if (peer !== undefined) query.set('peer', peer)
  if (near !== undefined) query.set('near', near)
  if (filter !== undefined) query.set('filter', filter)
  for (const tag of tags) query.append('tag', tag)
  if (consistency === 'consistent') query.set('consistent', '')
  if (consistency === 'stale' && of !== 'leader') query.set('stale', '')
  if (cached && of === 'anyone') query.set('cached', '')
  return blocking(query, waiting)
}

/** The query string of a question about configuration, which knows no more than this. Pure. */
export function configQuery(consistency: Consistency, waiting?: Waiting): URLSearchParams {
  return blocking(new URLSearchParams(consistency === 'default' ? {} : { [consistency]: '' }), waiting)
}

function blocking(query: URLSearchParams, waiting: Waiting | undefined): URLSearchParams {
  if (waiting !== undefined) {
    query.set('index', String(waiting.index))
    query.set('wait', `${waiting.waitMs}ms`)
  }
  return query
}
