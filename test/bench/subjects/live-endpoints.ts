import { registeredWeight } from '@fairlead/sdk'
import { BackendLoad, balancers, createClient, fixedResolver, type Candidate } from '@fairlead/sdk'
import { instanceAt, seededRandom } from '@fairlead/sdk/testing'

/** What the client's own endpoints can do besides being picked. */
export interface LiveEndpoint extends Candidate {
  observe(sampleMs: number, now: number): void
  begin(): void
  end(): void
}

export interface EndpointsArgument {
  readonly size: number
  readonly weights: 'equal' | 'mixed'
}

/** What the clock shows when measuring begins: reports may be older than that. */
export const BEGIN_MS = 1_000_000

// After so many samples a latency stands.
const SAMPLES = 10
const LATEST_SAMPLE_MS = 10_000
// Longer than `orca_weighted_round_robin` waits until it goes by reports.
const REPORTED_MS = 20_000
const ZONES = ['a', 'b', 'c']

/** Weights that are mixed: 1 to 10, none rarer than another. */
export function weightAt(index: number, weights: EndpointsArgument['weights']): number {
  return weights === 'equal' ? 1 : 1 + ((index * 7) % 10)
}

export function originAt(index: number): string {
  return `http://10.${index >> 16}.${(index >> 8) & 255}.${index & 255}:8080`
}

/** The endpoints of a real client, each with some load and latency, so that comparing them takes what it takes. */
export async function liveEndpoints({ size, weights }: EndpointsArgument): Promise<readonly LiveEndpoint[]> {
  const instances = Array.from({ length: size }, (_, index) =>
    instanceAt(originAt(index), {
      weight: weightAt(index, weights),
      locality: { zone: ZONES[index % ZONES.length] },
    }),
  )
  let captured: readonly Candidate[] = []
  const client = createClient('bench', {
    resolver: fixedResolver(instances),
    balancer: (endpoints, random) => {
      captured = endpoints
      return balancers.round_robin(endpoints, random, registeredWeight)
    },
  })
  await client.ready()
  // What is closed sends no probes, and has nothing else to do with picks.
  await client.close()
  const endpoints = captured as readonly LiveEndpoint[]
  const random = seededRandom(2)
  for (const endpoint of endpoints) {
    const latencyMs = 1 + 10 * random.next()
    const at = BEGIN_MS - LATEST_SAMPLE_MS * random.next()
    for (let sample = 0; sample < SAMPLES; sample++) endpoint.observe(latencyMs, at)
    for (let requests = Math.floor(4 * random.next()); requests > 0; requests--) endpoint.begin()
  }
  return endpoints
}

/** Each reports its load as its server would: in proportion to its weight, for long enough, and just now. */
export function reportLoads(endpoints: readonly LiveEndpoint[]): void {
  const random = seededRandom(3)
  for (const endpoint of endpoints) {
    const load = (endpoint.backendLoad ??= new BackendLoad())
    const inflight = Math.floor(4 * random.next())
    const latencyMs = (1 + 10 * random.next()).toFixed(3)
    const text =
      `TEXT cpu_utilization=0.5,rps_fractional=${100 * endpoint.instance.weight}` +
      `,named_metrics.inflight=${inflight},named_metrics.latency_ms=${latencyMs}`
    load.receive(text, BEGIN_MS - REPORTED_MS)
    load.receive(text, BEGIN_MS)
  }
}

/**
 * Has every probe answered at once with what the endpoint has reported before, as if the network took no time.
 *
 * @param now The time, in whole milliseconds.
 */
export function answerProbes(endpoints: readonly LiveEndpoint[], now: () => number): void {
  // On what they have in common: endpoints with a function of their own would be objects of another shape.
  const shared = Object.getPrototypeOf(endpoints[0]) as { probe: Candidate['probe'] }
  shared.probe = function (this: Candidate): void {
    const load = this.backendLoad
    if (load === undefined) return
    load.repeat(now())
  }
}
