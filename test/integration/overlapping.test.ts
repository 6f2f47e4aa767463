import { createClient, register, type Registration } from '@fairlead/sdk'
import { describe, expect, inject, onTestFinished, test } from 'vitest'
import { Child, built } from '../support/child.js'
import { query } from '../support/consul/agent-api.js'
import { health, uniqueService } from '../support/consul/registry.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

const agent = inject('consul').address
// The same agent by another name: a process refuses an id twice on what it can tell is one agent.
const sameAgent = agent.replace('127.0.0.1', 'localhost')

function start(service: string, address: string): Registration {
  const registration = register({
    name: service,
    id: `${service}-1`,
    port: 8080,
    address: '127.0.0.1',
    // A heartbeat a second.
    check: { kind: 'ttl', ttlMs: 3000 },
    consul: { address },
    logger: quiet,
  })
  onTestFinished(async () => {
    await registration.deregister()
  })
  return registration
}

/** Of the agent itself, at once: whose registration it has, and what its checks say. */
async function ownerOf(service: string): Promise<string | undefined> {
  const { Meta } = (await query(agent, `agent/service/${service}-1`)) as { Meta?: Record<string, string> }
  return Meta?.['fairlead-owner']
}

describe('a process that registers under the id of one that has not left yet', () => {
  test('is left alone when that one leaves', async () => {
    const service = uniqueService('orders')
    const old = start(service, agent)
    await old.ready()
    const before = await ownerOf(service)
    const next = start(service, sameAgent)
    await next.ready()
    const owner = await ownerOf(service)
    expect(owner).not.toBe(before)
    expect(await old.drain({ settleMs: 0 })).toMatchObject({ confirmed: true, deregistered: true })
    expect(await ownerOf(service)).toBe(owner)
    const [entry] = await health(agent, service)
    expect(entry?.Checks.map(({ CheckID }) => CheckID)).not.toContain(`_service_maintenance:${service}-1`)
    expect(next.inspect().state).toBe('registered')
  })

  test('and so is its health: the old one gives it no heartbeat', async () => {
    const service = uniqueService('orders')
    const old = start(service, agent)
    await old.ready()
    const next = start(service, sameAgent)
    await next.ready()
    await eventually(() => old.inspect().state === 'superseded', {
      what: 'the old one has noticed',
      deadlineMs: 15_000,
    })
    next.report('critical', 'out of order')
    // Several of the old one's heartbeats later.
    await eventually(
      async () => (await health(agent, service))[0]?.Checks.some(({ Output }) => Output === 'out of order'),
      { what: 'what it says of itself', deadlineMs: 15_000 },
    )
    for (let look = 0; look < 30; look++) {
      const [entry] = await health(agent, service)
      expect(entry?.Checks.find(({ CheckID }) => CheckID === `service:${service}-1`)?.Status).toBe('critical')
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  })

  test('when it leaves first, the old one comes back', async () => {
    const service = uniqueService('orders')
    const old = start(service, agent)
    await old.ready()
    const before = await ownerOf(service)
    const next = start(service, sameAgent)
    await next.ready()
    await eventually(() => old.inspect().state === 'superseded', {
      what: 'the old one has noticed',
      deadlineMs: 15_000,
    })
    expect(await next.deregister()).toBe(true)
    await eventually(() => old.inspect().state === 'registered', {
      what: 'the old one is back',
      deadlineMs: 15_000,
    })
    expect(await ownerOf(service)).toBe(before)
  })
})

test('workers of one port are one endpoint, and one that leaves takes only itself out', async () => {
  const service = uniqueService('orders')
  await using primary = new Child(process.execPath, [
    built('test/dist/support/cluster-program.js'),
    '2',
    service,
    agent,
  ])
  await eventually(() => primary.lines.filter((line) => line.startsWith('registered ')).length === 2, {
    what: 'both are registered',
    deadlineMs: 30_000,
  })
  expect(new Set(primary.lines.filter((line) => line.startsWith('registered '))).size).toBe(2)
  await using client = createClient(service, { consul: { address: agent }, logger: quiet })
  await eventually(() => client.inspect().endpoints[0]?.registrations.length === 2, {
    what: 'the client sees both',
    deadlineMs: 15_000,
  })
  expect(client.inspect().endpoints).toHaveLength(1)
  const ended = new AbortController()
  const requests = (async () => {
    let served = 0
    for (; !ended.signal.aborted; served++) {
      const { statusCode, body } = await client.request({ path: '/' })
      await body.dump()
      expect(statusCode).toBe(200)
    }
    return served
  })()
  primary.signal('SIGUSR2')
  await primary.line(/^left /)
  await eventually(() => client.inspect().endpoints[0]?.registrations.length === 1, {
    what: 'the client sees one',
    deadlineMs: 15_000,
  })
  ended.abort()
  expect(await requests).toBeGreaterThan(0)
  // The other one has never been away: nothing but itself could have put it back.
  expect(await health(agent, service)).toHaveLength(1)
  expect(primary.lines.filter((line) => line.startsWith('registered '))).toHaveLength(2)
  primary.signal('SIGTERM')
  await primary.ended
})
