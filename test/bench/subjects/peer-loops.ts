import HashRing from 'hashring'
import Moleculer from 'moleculer'
import { BalancedPool, errors, Pool } from 'undici'
import { seededRandom } from '@fairlead/sdk/testing'
import { keyedRequests } from './keys.js'
import { originAt, weightAt, type EndpointsArgument } from './live-endpoints.js'
import type { Loop } from './pick-loops.js'

/** A library's choice among as many endpoints, without what it does with it. */
const PEERS: Readonly<Record<string, (argument: EndpointsArgument) => () => unknown>> = {
  'moleculer RoundRobin': ({ size }) => {
    const strategy = strategyOf('RoundRobin', {})
    const list = nodes(size)
    return () => strategy.select(list)
  },
  'moleculer Random': ({ size }) => {
    const strategy = strategyOf('Random', {})
    const list = nodes(size)
    return () => strategy.select(list)
  },
  'moleculer CpuUsage': ({ size }) => {
    const strategy = strategyOf('CpuUsage', {})
    const list = nodes(size)
    return () => strategy.select(list)
  },
  'moleculer Latency': ({ size }) => {
    const strategy = strategyOf('Latency', {})
    const list = nodes(size)
    const random = seededRandom(2)
    // Above 10 ms, or it takes the first it sees without comparing.
    for (const { node } of list)
      strategy.updateLatency({ hostname: node.hostname, avgLatency: 11 + 10 * random.next() })
    return () => strategy.select(list)
  },
  'moleculer Shard': ({ size }) => {
    const strategy = strategyOf('Shard', { shardKey: 'key' })
    const list = nodes(size)
    // All that a strategy reads of a call's context.
    const contexts = keyedRequests().map(
      ({ hashKey }) => ({ params: { key: hashKey } }) as unknown as Moleculer.Context,
    )
    let next = 0
    return () => {
      const context = contexts[next]
      next = next + 1 < contexts.length ? next + 1 : 0
      return strategy.select(list, context)
    }
  },
  hashring: ({ size, weights }) => {
    const servers = Array.from({ length: size }, (_, index) => [
      originAt(index).slice('http://'.length),
      { weight: weightAt(index, weights) },
    ])
    const ring = new HashRing(Object.fromEntries(servers) as Record<string, { weight: number }>)
    const keys = keyedRequests().map(({ hashKey }) => hashKey)
    let next = 0
    return () => {
      const key = keys[next] ?? ''
      next = next + 1 < keys.length ? next + 1 : 0
      return ring.get(key)
    }
  },
  'undici BalancedPool': (argument) => selectionOf(balancedPool(argument)),
}

export class PeerLoop implements Loop {
  picked: unknown
  readonly #pick: () => unknown

  constructor(name: string, argument: EndpointsArgument) {
    const pick = PEERS[name]
    if (pick === undefined) throw new Error(`there is no peer ${name}`)
    this.#pick = pick(argument)
  }

  run(picks: number): void {
    for (let pick = 0; pick < picks; pick++) {
      const picked = this.#pick()
      if (picked === undefined || picked === null) throw new Error('nothing was picked')
      this.picked = picked
    }
  }
}

interface Node {
  readonly id: string
  readonly hostname: string
  readonly cpu: number
}

// Strategies are told of latencies by a message of the broker's, which calls this.
type Strategy = Pick<InstanceType<(typeof Moleculer.Strategies)['Latency']>, 'select'> & {
  updateLatency(latency: { readonly hostname: string; readonly avgLatency: number }): void
}

function strategyOf(
  name: 'RoundRobin' | 'Random' | 'CpuUsage' | 'Latency' | 'Shard',
  options: object,
): Strategy {
  const broker = new Moleculer.ServiceBroker({ logger: false, skipProcessEventRegistration: true })
  return new Moleculer.Strategies[name](broker.registry, broker, options) as Strategy
}

/** What a strategy looks at of moleculer's endpoints. */
function nodes(size: number): { readonly id: string; readonly node: Node; readonly isAvailable: boolean }[] {
  const random = seededRandom(2)
  return Array.from({ length: size }, (_, index) => {
    const id = `node-${index}`
    // Above 10%, or it takes the first it sees without comparing.
    return { id, node: { id, hostname: `host-${index}`, cpu: 11 + 80 * random.next() }, isAvailable: true }
  })
}

/** It weighs by errors only, so weights are mixed by errors: of 100 each takes 10. */
function balancedPool({ size, weights }: EndpointsArgument): BalancedPool {
  const pools: Pool[] = []
  const options = {
    errorPenalty: 10,
    factory: (origin: URL, options: object): Pool => {
      const pool = new Pool(origin, options)
      pools.push(pool)
      return pool
    },
  }
  const balanced = new BalancedPool(
    Array.from({ length: size }, (_, index) => originAt(index)),
    options,
  )
  if (weights === 'mixed') {
    pools.forEach((pool, index) => {
      for (let weight = weightAt(index, weights); weight < 10; weight++)
        pool.emit(
          'connectionError',
          new URL(originAt(index)),
          [pool],
          new errors.SocketError('for its weight'),
        )
    })
  }
  return balanced
}

/** The choice stands under a symbol; the public way to it would send a request. */
function selectionOf(pool: BalancedPool): () => unknown {
  const symbol = Object.getOwnPropertySymbols(BalancedPool.prototype).find(
    ({ description }) => description === 'get dispatcher',
  )
  if (symbol === undefined) throw new Error('this undici selects in another way')
  const selecting = pool as unknown as Record<symbol, () => unknown>
  return () => selecting[symbol]?.()
}
