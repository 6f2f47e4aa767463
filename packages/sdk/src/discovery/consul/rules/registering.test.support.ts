import { expect } from 'vitest'
import type { FakeAgent } from '../../../test-support/fake-agent.test.support.js'
import { healthEntry, refuse } from '../../../testing/index.js'
import { registers, says, start, type Given, type Scene } from './registered.test.support.js'
import type { Rule } from './rule.test.support.js'
import type { World } from './world.test.support.js'

const asUsual = (): void => undefined

/** How it is registered: these fields are sent, and those are not. */
function sends(
  name: string,
  given: Given,
  fields: object,
  rule?: string,
  without: readonly string[] = [],
): Rule {
  const look = async ({ world, agent }: Scene): Promise<void> => {
    await world.pass(() => agent.calls.length > 0)
    const [call] = agent.calls
    expect(call).toMatchObject({ name: 'register', target: '?replace-existing-checks=true', body: fields })
    const sent = JSON.stringify(call?.body)
    for (const field of without) expect(sent).not.toContain(`"${field}"`)
  }
  return registers(name, given, asUsual, look, rule)
}

/** What is refused here, before anything is sent. */
function refuses(name: string, given: Given, message: string): Rule {
  const act = (world: World): void => {
    expect(() => start(world, given)).toThrow(message)
    expect(world.agent.requests).toEqual([])
  }
  return { rule: '14', name: `${name} is refused before anything is sent`, sees: [act] }
}

const pairs = (count: number): Readonly<Record<string, string>> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`key-${index}`, 'value']))

const began = ['register ?replace-existing-checks=true', 'maintenance o1?enable=false']
const heartbeat = 'update service:o1'
const look = 'status o1'

/** Of an agent of this version, asked about a check that it does not have. */
const forgetful: readonly (readonly [string, number, string])[] = [
  ['404, as newer ones', 404, 'Unknown check ID "service:o1". Ensure that the check ID is passed.'],
  ['500, as 1.8 says of a check', 500, 'Unknown check "service:o1"'],
  ['500, as 1.8 says of a TTL', 500, 'CheckID "service:o1" does not have associated TTL'],
]

const probe = { kind: 'http', url: '/health' } as const

/** What the agent's look at a check of its own says; without one, it has lost it. */
const seen = (status?: string): string =>
  JSON.stringify({
    AggregatedStatus: status ?? 'passing',
    Checks: status === undefined ? [] : [{ CheckID: 'service:o1', Status: status }],
  })

/** Rule 14: how an instance comes, stays and goes. */
export const registering: readonly Rule[] = [
  sends(
    'what is sent takes the place of what was there, weights, tags and meta included',
    {
      weights: { passing: 5, warning: 0 },
      tags: ['blue'],
      meta: { version: '2' },
      taggedAddresses: { lan_ipv6: { address: 'fd00::1' } },
      enableTagOverride: true,
    },
    {
      ID: 'o1',
      Name: 'orders',
      Port: 8080,
      Weights: { Passing: 5, Warning: 0 },
      Tags: ['blue'],
      Meta: { version: '2' },
      EnableTagOverride: true,
      TaggedAddresses: { lan_ipv6: { Address: 'fd00::1', Port: 8080 } },
    },
    '14, node-consul: drops Weights, EnableTagOverride, lan_ipv6 and replace-existing-checks',
  ),
  sends(
    'the most of meta that Consul takes beside the pair that says whose it is',
    { meta: { ...pairs(62), ['k'.repeat(128)]: 'v'.repeat(512) } },
    { Meta: { 'key-61': 'value', ['k'.repeat(128)]: 'v'.repeat(512) } },
  ),
  refuses('a 64th pair of meta', { meta: pairs(64) }, 'at most 63 pairs'),
  refuses('a key of 129 characters', { meta: { ['k'.repeat(129)]: 'v' } }, 'a key of 1 to 128'),
  refuses('a value of 513 bytes', { meta: { key: 'v'.repeat(513) } }, 'at most 512 bytes'),
  refuses('a weight of 0', { weights: { passing: 0 } }, 'from 1 to 65'),
  refuses(
    'less than a minute of critical',
    { deregisterCriticalServiceAfterMs: 59_999 },
    'deregisterCriticalServiceAfterMs is 59999',
  ),
  sends(
    'a heartbeat begins as the process says, and what stays critical is deregistered',
    { deregisterCriticalServiceAfterMs: 60_000 },
    { Checks: [{ TTL: '15000ms', Status: 'passing', DeregisterCriticalServiceAfter: '60000ms' }] },
  ),
  sends(
    "a check of the agent's own begins critical, has 10 s, and counts nothing unless asked to",
    { check: probe },
    { Checks: [{ HTTP: 'http://127.0.0.1:8080/health', Status: 'critical', Timeout: '10000ms' }] },
    '14',
    ['SuccessBeforePassing', 'FailuresBeforeCritical'],
  ),
  registers('maintenance that Consul has kept ends at the start', {}, asUsual, says(...began, heartbeat)),
  registers('heartbeats come at a third of the TTL, none late, none in step', {}, asUsual, async (scene) => {
    const { world, agent } = scene
    const gaps = new Set<number>()
    await world.pass(() => agent.calls.length === 3)
    for (let heartbeats = 4; heartbeats < 12; heartbeats++) {
      const last = world.clock.now()
      await world.pass(() => agent.calls.length === heartbeats)
      const gapMs = world.clock.now() - last
      expect(gapMs).toBeGreaterThanOrEqual(4000)
      expect(gapMs).toBeLessThanOrEqual(5000)
      gaps.add(gapMs)
    }
    expect(agent.names.slice(2)).toEqual(Array.from({ length: 9 }, () => 'update'))
    expect(gaps.size).toBeGreaterThan(4)
  }),
  ...forgetful.map(([name, status, text]) =>
    registers(
      `an agent that has forgotten is registered with again: ${name}`,
      {},
      (agent) => agent.next('update', (_, response) => response.end(), refuse(status, text)),
      says(...began, heartbeat, heartbeat, ...began, heartbeat),
    ),
  ),
  registers(
    'one that has lost its leader has forgotten nothing',
    {},
    (agent) => agent.next('update', (_, response) => response.end(), refuse(500, 'No cluster leader')),
    says(...began, heartbeat, heartbeat, heartbeat),
  ),
  registers(
    "without heartbeats it is asked whether it has the instance, and each of the agent's own checks",
    { check: probe },
    (agent) => agent.next('status', refuse(200, seen('passing')), refuse(404, seen()), refuse(200, seen())),
    async (scene) => {
      await says(...began, look, look, ...began, look, ...began, look)(scene)
      const registered = scene.agent.calls.filter(({ name }) => name === 'register')
      expect(registered.map(({ body }) => body)).toMatchObject([
        { Checks: [{ Status: 'critical' }] },
        { Checks: [{ Status: 'passing' }] },
        { Checks: [{ Status: 'passing' }] },
      ])
    },
  ),
  ...([429, 503] as const).map((status) =>
    registers(
      `its ${status} is what it thinks of the instance, and no failure`,
      { check: probe },
      (agent) => agent.always('status', refuse(status, seen(status === 429 ? 'warning' : 'critical'))),
      async (scene) => {
        await says(...began, look, look)(scene)
        expect(scene.registration.inspect()).toMatchObject({ state: 'registered', lastError: undefined })
      },
    ),
  ),
  registers(
    'a drain: maintenance, until a watch has seen it; a moment; what is in flight; and only then it is gone',
    {},
    asUsual,
    async ({ world, agent, registration }) => {
      await registration.ready()
      world.agent.serve('orders', [entry(agent)])
      const steps: string[] = []
      let finish = (): void => undefined
      const draining = registration.drain({
        finish: () => {
          steps.push(`finish at ${world.clock.now()}`)
          return new Promise<void>((resolve) => (finish = resolve))
        },
      })
      // Asked, and told that nothing has changed: it waits for a change.
      await world.pass(() => world.agent.holds('orders') && world.agent.queries.length === 2)
      expect(steps).toEqual([])
      const told = agent.calls.findLast(({ name }) => name === 'maintenance')?.target ?? ''
      expect(told).toMatch(/^o1\?enable=true&reason=draining/)
      const seenAt = world.clock.now()
      world.agent.serve('orders', [entry(agent, new URLSearchParams(told.split('?')[1]).get('reason') ?? '')])
      await world.pass(() => steps.length > 0)
      expect(steps).toEqual([`finish at ${seenAt + 1000}`])
      await world.pass(() => false, seenAt + 10_000)
      expect(agent.names).not.toContain('deregister')
      finish()
      expect(await draining).toEqual({ confirmed: true, finished: true, deregistered: true })
      expect(agent.names.at(-1)).toBe('deregister')
    },
  ),
]

/** The instance as the catalog lists it. @param reason That of its maintenance; undefined: it is in service. */
function entry({ meta: Meta }: FakeAgent, reason?: string): object {
  const inMaintenance = {
    CheckID: '_service_maintenance:o1',
    Status: 'critical',
    Notes: reason,
    ServiceID: 'o1',
  }
  return healthEntry(8080, {
    service: { ID: 'o1', Meta },
    checks: reason === undefined ? [] : [inMaintenance],
  })
}
