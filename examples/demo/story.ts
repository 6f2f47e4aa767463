import { setTimeout as delay } from 'node:timers/promises'
import { query } from '#test-support/consul/agent-api.js'
import { maintenance, type HealthEntry } from '#test-support/consul/registry.js'
import type { TestConsul } from '#test-support/consul/test-consul.js'
import { eventually } from '#test-support/poll.js'
import { Orders } from './orders.js'
import { settledShares, type Claim } from './shares.js'
import { stateOf, type Traffic } from './traffic.js'

/** Who takes part. */
export interface Scene {
  readonly consul: TestConsul
  /** Weights 3, 2 and 1. */
  readonly instances: readonly [Orders, Orders, Orders]
  readonly clients: readonly Traffic[]
  /** Aborts when the demo has to end at once. */
  readonly signal: AbortSignal
}

export interface Chapter {
  readonly title: string
  play(scene: Scene): Promise<Outcome>
}

export interface Outcome {
  readonly what: string
  /** How long after the event each client acted on it, in milliseconds, in their order. */
  readonly noticedMs?: readonly number[]
  /** It went wrong, and the story ends with it. */
  readonly failed?: boolean
  /** What has to be true for the demo to succeed. */
  readonly claims?: readonly Claim[]
}

export const story: readonly Chapter[] = [
  {
    title: 'Three instances, weights 3:2:1',
    async play(scene) {
      // Connections open and code gets compiled: that says nothing of balancing.
      await run(scene, 2)
      const { seconds, shares, claims } = await settledShares(scene, (duration) => run(scene, duration))
      return { what: `settled within ${seconds} s, at ${shares.join(', ')}`, claims }
    },
  },
  {
    title: 'SIGKILL orders-2 under load',
    async play(scene) {
      const [, victim] = scene.instances
      const since = performance.now()
      await victim.kill()
      const [consulMs, ...noticedMs] = await Promise.all([
        untilConsulSees(scene, victim, 'critical', since),
        ...untilClients(scene, victim, 'critical', since),
      ])
      await run(scene, 2.5)
      return {
        what: `retries covered it until Consul's check failed, after ${seconds(consulMs)}`,
        noticedMs,
      }
    },
  },
  {
    title: 'orders-3 put into maintenance',
    async play(scene) {
      const [, , patient] = scene.instances
      const since = performance.now()
      await maintenance(scene.consul.address, patient.id, true, 'the demo')
      const noticedMs = await Promise.all(untilClients(scene, patient, 'maintenance', since))
      await run(scene, 3)
      return { what: 'orders-1 carried all of it', noticedMs }
    },
  },
  {
    title: 'Both brought back',
    async play(scene) {
      const [, victim, patient] = scene.instances
      const since = performance.now()
      await Promise.all([victim.start(), maintenance(scene.consul.address, patient.id, false)])
      const [consulMs, ...noticedMs] = await Promise.all([
        untilConsulSees(scene, victim, 'passing', since),
        ...untilAnswered(scene, [victim, patient], since),
      ])
      await run(scene, 3)
      return { what: `Consul's check of orders-2 passed after ${seconds(consulMs)}`, noticedMs }
    },
  },
  {
    title: 'Consul stopped',
    async play(scene) {
      const since = performance.now()
      await scene.consul.kill()
      const noticedMs = await Promise.all(untilFreshness(scene, 'stale', since))
      await run(scene, 4)
      return { what: 'both clients went on with the last known instances', noticedMs }
    },
  },
  {
    title: 'Consul started again',
    async play(scene) {
      const started = performance.now()
      await scene.consul.start()
      const since = performance.now()
      const noticedMs = await Promise.all(untilFreshness(scene, 'fresh', since))
      await Promise.all(untilAnswered(scene, scene.instances, since))
      await run(scene, 2)
      return { what: `it led after ${seconds(since - started)}, and the clients heard of it`, noticedMs }
    },
  },
]

/** Lets traffic run. */
async function run({ signal }: Scene, seconds: number): Promise<void> {
  await delay(seconds * 1000, undefined, { signal })
}

/** Resolves with how long after `since` Consul's checks of an instance say so. */
export async function untilConsulSees(
  { consul, signal }: Pick<Scene, 'consul' | 'signal'>,
  { id }: Orders,
  status: 'passing' | 'critical',
  since: number = performance.now(),
): Promise<number> {
  await eventually(
    async () => {
      const entries = (await query(consul.address, `health/service/${Orders.service}`)) as HealthEntry[]
      const entry = entries.find(({ Service }) => Service.ID === id)
      if (entry === undefined) return false
      const passing = entry.Checks.every(({ Status }) => Status === 'passing')
      return passing === (status === 'passing')
    },
    { what: `Consul to see ${id} as ${status}`, signal },
  )
  return performance.now() - since
}

/** When each client has left an instance out, and for which reason. */
function untilClients(scene: Scene, { id }: Orders, reason: string, since: number): Promise<number>[] {
  const left = (client: Traffic): boolean => stateOf(id, client.inspection()) === reason
  return untilEach(scene, `to leave out ${id} as ${reason}`, since, left)
}

/** When each client has had an answer from all of these instances. */
function untilAnswered(scene: Scene, instances: readonly Orders[], since: number): Promise<number>[] {
  const before = new Map(scene.clients.map((client) => [client, client.tally()]))
  const names = instances.map(({ id }) => id)
  return untilEach(scene, `to use ${names.join(' and ')} again`, since, (client) => {
    const now = client.tally().ok
    const then = before.get(client)?.ok
    return names.every((id) => (now.get(id) ?? 0) > (then?.get(id) ?? 0))
  })
}

function untilFreshness(scene: Scene, freshness: 'fresh' | 'stale', since: number): Promise<number>[] {
  const is = (client: Traffic): boolean => client.inspection().freshness === freshness
  return untilEach(scene, `to see that what it knows is ${freshness}`, since, is)
}

function untilEach(
  { clients, signal }: Scene,
  what: string,
  since: number,
  claim: (client: Traffic) => boolean,
): Promise<number>[] {
  return clients.map(async (client) => {
    await eventually(() => claim(client), { what: `the ${client.name} ${what}`, signal })
    return performance.now() - since
  })
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(2)} s`
}
