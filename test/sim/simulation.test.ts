import { BackendLoad, balancers, type BalancerName } from '@fairlead/sdk'
import { describe, expect, test } from 'vitest'
import { exponentialWork } from './draws.js'
import { figuresOf, type Figures } from './figures.js'
import { alike, MEAN_WORK_US, usual, type Scenario } from './scenario.js'
import { scenarios } from './scenarios.js'
import { Simulation, type SimulationOptions } from './simulation.js'
import type { SimServer } from './server.js'
import type { Tally } from './tally.js'

const SIZE = 20

function simulationOf(
  name: string,
  balancer: BalancerName,
  options: Partial<SimulationOptions> = {},
): Simulation {
  const scenario = scenarios.find((known) => known.name === name)
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`)
  return new Simulation({
    scenario,
    balancer: balancers[balancer],
    clients: SIZE,
    servers: SIZE,
    seed: 1,
    ...options,
  })
}

async function run(...[name, balancer, options]: Parameters<typeof simulationOf>): Promise<Figures> {
  const simulation = await simulationOf(name, balancer, options).run()
  const [figures] = figuresOf(simulation, scenarios.find((known) => known.name === name)?.spans ?? [])
  if (figures === undefined) throw new Error(`${name} has no span`)
  return figures
}

// Under `prequal` and in a failure there are load probes, retries and circuits, which take turns of the real event loop.
test.each([
  ['noisy-neighbours', 'peak_ewma'],
  ['temporary-failure', 'prequal'],
] as const)('the same seed gives the same figures, another one others: %s, %s', async (name, policy) => {
  const small = { clients: 2, servers: 4 }
  const figures = await run(name, policy, small)
  expect(await run(name, policy, small)).toEqual(figures)
  expect(await run(name, policy, { ...small, seed: 2 })).not.toEqual(figures)
})

test('every policy gets the same requests', async () => {
  const one = await run('bursts', 'round_robin')
  const other = await run('bursts', 'peak_ewma')
  expect(one.requests).toBe(other.requests)
})

describe('against queueing theory', () => {
  const only = (cores: number, load: number): Scenario => ({
    name: 'only',
    title: '',
    about: '',
    // A hundred thousand requests.
    spans: [{ label: '', fromS: 10, toS: 2500 / cores }],
    machines: alike({ ...usual, cores }),
    load: () => load,
  })

  // Erlang's C: the share of requests that has to wait for one of `cores` servers.
  function erlangC(cores: number, load: number): number {
    const offered = cores * load
    let term = 1
    let sum = 0
    for (let busy = 0; busy < cores; busy++) {
      sum += term
      term *= offered / (busy + 1)
    }
    const waiting = term / (1 - load)
    return waiting / (sum + waiting)
  }

  test.each([
    [1, 0.5],
    [1, 0.7],
    [4, 0.8],
  ])('a server with %i cores at load %d waits as M/M/c does', async (cores, load) => {
    const scenario = only(cores, load)
    const simulation = await new Simulation({
      scenario,
      balancer: balancers.round_robin,
      clients: 1,
      servers: 1,
      seed: 4,
      work: exponentialWork(MEAN_WORK_US),
    }).run()
    const [tally] = simulation.tallies
    const meanMs = (tally?.latency.mean ?? 0) / 1000
    const waitMs = (erlangC(cores, load) * MEAN_WORK_US) / 1000 / (cores * (1 - load))
    // Work, wait, and the network there and back.
    const expected = MEAN_WORK_US / 1000 + waitMs + 0.5
    expect(Math.abs(meanMs / expected - 1)).toBeLessThan(0.03)
  })
})

describe('one slow server', () => {
  test('peak_ewma does not wait for it, round_robin does, where nothing else keeps requests from it', async () => {
    const resilience = { outlierDetection: false, breaker: false } as const
    const fair = await run('one-slow', 'round_robin', { resilience })
    const aware = await run('one-slow', 'peak_ewma', { resilience })
    expect(fair.p99 / aware.p99).toBeGreaterThan(4)
    expect(fair.errors).toBeGreaterThan(1)
    expect(aware.errors).toBeLessThan(0.1)
  })
})

test('failing fast attracts no traffic under peak_ewma', async () => {
  const simulation = await simulationOf('failing-fast', 'peak_ewma').run()
  const [tally] = simulation.tallies
  const [failing, ...others] = simulation.fleet.servers.map((server) => tally?.attempts.get(server) ?? 0)
  const mean = others.reduce((sum, attempts) => sum + attempts, 0) / others.length
  // It served its share for 5 of 20 s.
  expect(failing).toBeLessThan(mean * 0.5)
})

test('the circuits of servers that are away open, and close when they are back', async () => {
  const resilience = { outlierDetection: false, breaker: { maxResetMs: 5000 } } as const
  const simulation = simulationOf('temporary-failure', 'round_robin', { clients: 2, resilience })
  // Two of twenty are away. What each of the two clients thinks of these and of one more:
  const reasonsAt = async (second: number): Promise<readonly (string | undefined)[]> => {
    await simulation.timeline.runUntil(second * 1e6)
    return simulation.clients.flatMap(({ endpoints }) =>
      endpoints.slice(0, 3).map(({ availability }) => availability.reason),
    )
  }
  const none = Array.from({ length: 6 }, () => undefined)
  const open = 'circuit_open'
  const attempts = (): number =>
    simulation.tallies[0]?.attempts.get(simulation.fleet.servers[0] as SimServer) ?? 0
  expect(await reasonsAt(20)).toEqual(none)
  expect(await reasonsAt(27)).toEqual([open, open, undefined, open, open, undefined])
  const before = attempts()
  expect(await reasonsAt(29)).toEqual([open, open, undefined, open, open, undefined])
  // One probe of each client at most.
  expect(attempts() - before).toBeLessThanOrEqual(2)
  expect(await reasonsAt(35)).toEqual(none)
  expect(attempts()).toBeGreaterThan(before)
})

test('a rolling deploy loses no request', async () => {
  for (const balancer of ['round_robin', 'peak_ewma'] as const) {
    const simulation = await simulationOf('rolling-deploy', balancer).run()
    const [tally] = simulation.tallies
    expect(simulation.fleet.servers).toHaveLength(2 * SIZE)
    expect(tally?.ended.get('refused')).toBeUndefined()
    expect(tally?.ended.get('reset')).toBeUndefined()
    expect(tally?.ended.get('no endpoint')).toBeUndefined()
  }
})

test.each(['temporary-failure', 'rolling-deploy', 'noisy-neighbours', 'bursts'])(
  'no request is lost or counted twice: %s',
  async (name) => {
    const simulation = simulationOf(name, 'least_connections')
    const all = (): readonly Tally[] => [simulation.rest, ...simulation.tallies]
    for (const atS of [1, 15, 20.3, 25, 35]) {
      await simulation.timeline.runUntil(atS * 1e6)
      const open = all().reduce((sum, tally) => sum + tally.open, 0)
      const inflight = simulation.clients
        .flatMap(({ endpoints }) => endpoints)
        .reduce((sum, endpoint) => sum + endpoint.inflight, 0)
      expect(open).toBeGreaterThan(0)
      // Of endpoints that have been taken off the list requests may still be in flight.
      if (name === 'rolling-deploy') expect(open).toBeGreaterThanOrEqual(inflight)
      else expect(open).toBe(inflight)
    }
    await simulation.run()
    for (const tally of simulation.tallies) {
      expect(tally.open).toBe(0)
      expect(tally.arrived).toBe(tally.answered + tally.failed)
    }
  },
)

test('a server reports its load to those that want to know, with responses and when it is asked', async () => {
  const simulation = simulationOf('one-slow', 'round_robin')
  const endpoint = simulation.clients[0]?.endpoints.at(-1)
  if (endpoint === undefined) throw new Error('the client has no endpoint')
  const load = new BackendLoad()
  // Nothing collects reports yet.
  endpoint.probe('/load')
  await simulation.timeline.runUntil(10e6)
  endpoint.backendLoad = load
  endpoint.probe('/load')
  await simulation.timeline.runUntil(10e6 + 499)
  expect(load.reportedAt).toBe(-1)
  await simulation.timeline.runUntil(10e6 + 500)
  expect(load.reportedAt).toBe(10_000)
  let utilization = 0
  let qps = 0
  for (let second = 11; second <= 30; second++) {
    await simulation.timeline.runUntil(second * 1e6)
    expect(load.reportedAt).toBeGreaterThan((second - 3) * 1000)
    utilization += load.utilization / 20
    qps += load.qps / 20
  }
  // Load 0.7 of 100 requests a second.
  expect(utilization).toBeCloseTo(0.7, 1)
  expect(qps / 100).toBeCloseTo(0.7, 1)
  expect(load.inflight).toBeGreaterThanOrEqual(0)
  expect(load.latencyUs).toBeGreaterThan(1000)
})
