import type { Children } from './children.js'
import { startConsulStandIn } from './consul-stand-in.js'
import { startLoadGenerator, type LoadGenerator } from './load.js'
import type { Placement } from './machine.js'
import { cpuOf } from './process-cpu.js'
import { proxies, SIDECAR, type Proxy, type Surroundings } from './proxies.js'
import { groupOf, type Sample, type Section } from './results.js'
import { interleaveGenerations, type Contestant, type Lineup } from './rounds.js'
import { startUpstreams } from './upstreams.js'

const CONNECTIONS = 64
const SERVICE = 'bench'

/** (c) What a request costs through the sidecar, and through other proxies in its place. */
export async function benchProxy(children: Children, where: Placement, quick: boolean): Promise<Section> {
  const { origins } = await startUpstreams(children, where)
  await using consul = await startConsulStandIn(SERVICE, origins)
  const surroundings = { children, where, origins, consul: consul.address, service: SERVICE }
  const shape = { connections: CONNECTIONS, path: '/v1/orders/42', host: SERVICE }
  return await compete(surroundings, await startLoadGenerator(children, where, shape), quick)
}

async function compete(surroundings: Surroundings, load: LoadGenerator, quick: boolean): Promise<Section> {
  const skipped = new Map<string, string>()
  const start = (): Promise<Lineup<Sample>> => lineUp(surroundings, load, quick ? 700 : 1000, skipped)
  const match = await interleaveGenerations(start, {
    generations: quick ? 1 : 3,
    rounds: quick ? 2 : 3,
    // As long as clients have: the compiler has to be done.
    warmUps: quick ? 1 : 3,
  })
  const peers = Object.keys(proxies).filter((name) => name !== SIDECAR)
  const comparisons = peers.map((name) => ({ subject: name, of: SIDECAR, to: name }))
  return {
    kind: 'race',
    part: 'proxy',
    units: { rate: 'requests/s', cost: 'CPU µs a request' },
    groups: [groupOf(`4 upstreams, ${CONNECTIONS} connections, by ${load.name}`, match, comparisons)],
    skipped: [
      ...[...skipped].map(([what, why]) => ({ what, why })),
      ...match.failed.map(({ name, why }) => ({ what: name, why })),
    ],
    notes: [
      'The larger the ratio, the faster; cost the other way round. Where busy is below 95% the load was the limit: go by the cost.',
      'p50 and p99 are those of a saturated proxy: the time in its queue.',
      'The TCP relay knows no HTTP and balances connections: it is the ceiling for a proxy in Node.',
    ],
  }
}

/** All proxies that start; the others go to `skipped`. */
async function lineUp(
  surroundings: Surroundings,
  load: LoadGenerator,
  milliseconds: number,
  skipped: Map<string, string>,
): Promise<Lineup<Sample>> {
  const contestants: Contestant<Sample>[] = []
  const started: Proxy[] = []
  for (const [name, start] of Object.entries(proxies)) {
    if (skipped.has(name)) continue
    try {
      const proxy = await start(surroundings)
      started.push(proxy)
      contestants.push({ name, measure: () => measure(proxy, load, milliseconds) })
    } catch (error) {
      skipped.set(name, error instanceof Error ? error.message : String(error))
    }
  }
  return {
    contestants,
    stop: async () => {
      await Promise.all(started.map((proxy) => proxy.stop()))
    },
  }
}

async function measure({ pid, port }: Proxy, load: LoadGenerator, milliseconds: number): Promise<Sample> {
  const before = cpuOf(pid)
  const { requests, seconds, p50Ms, p99Ms } = await load.run(port, milliseconds)
  const after = cpuOf(pid)
  if (requests === 0) throw new Error('no request was answered')
  const cpu = before === undefined || after === undefined ? undefined : after - before
  return {
    rate: requests / seconds,
    cost: cpu === undefined ? undefined : cpu / requests,
    busy: cpu === undefined ? undefined : cpu / (seconds * 1e6),
    p50Ms,
    p99Ms,
  }
}
