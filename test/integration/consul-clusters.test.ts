import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { createToken } from '../support/consul/acl.js'
import { leaderOf, query } from '../support/consul/agent-api.js'
import { startCluster, type Cluster } from '../support/consul/cluster.js'
import { startDatacenters, type Datacenters } from '../support/consul/datacenters.js'
import type { OwnAgent } from '../support/consul/own-agent.js'
import { folders, refuses, untilNothingIsLeft } from '../support/consul/leftovers.js'
import { health, register, uniqueService, type HealthEntry } from '../support/consul/registry.js'
import { eventually } from '../support/poll.js'

// Groups run at once, as each has agents of its own; within a group its tests take turns.
const inTurn = { concurrent: false, timeout: 120_000 } as const

describe.concurrent('a cluster', () => {
  let cluster: Cluster
  beforeAll(async () => {
    cluster = await startCluster({ config: (node) => ({ node_meta: { zone: node } }) })
    return () => cluster.close()
  })
  beforeEach(async () => {
    for (const agent of cluster.agents) if (!(await agent.running())) await agent.start()
    await cluster.untilLeads()
  })

  test('has every agent on an address of its own, and one leader that all know', inTurn, async () => {
    const hosts = ['127.0.0.2', '127.0.0.3', '127.0.0.4', '127.0.0.5']
    expect(cluster.agents.map((agent) => agent.host)).toEqual(hosts)
    const nodes = (await query(cluster.client, 'catalog/nodes')) as { Node: string; Address: string }[]
    expect(new Map(nodes.map((node) => [node.Node, node.Address]))).toEqual(
      new Map(cluster.agents.map((agent) => [agent.name, agent.host])),
    )
    const leader = await cluster.leader()
    expect(cluster.servers).toContain(leader)
    for (const agent of cluster.agents) {
      expect(await query(agent, 'status/leader')).toBe(`${leader?.host}:${leader?.ports.server}`)
    }
  })

  test('serves what is registered with any agent, with the zone of its node', inTurn, async () => {
    const name = uniqueService('orders')
    await register(cluster.client, { id: name, name, port: 8080 })
    for (const agent of cluster.agents) {
      const entry = await eventually(async () => (await entries(agent.address, name))[0], {
        what: 'the entry',
      })
      expect(entry.Node).toMatchObject({ Node: 'client', Address: '127.0.0.5', Meta: { zone: 'client' } })
    }
  })

  test('elects another leader when its own is killed, and takes the old one back', inTurn, async () => {
    const name = uniqueService('orders')
    await register(cluster.client, { id: name, name, port: 8080 })
    const knows = (agent: OwnAgent): Promise<unknown> =>
      eventually(async () => (await health(agent, name)).length === 1, {
        what: 'the instance',
        // An agent that has failed to tell its server comes again after 15 to 30 s.
        deadlineMs: 45_000,
      })
    await knows(cluster.client)
    const killed = await cluster.killLeader()
    expect(await cluster.untilLeads()).not.toBe(killed)
    await knows(cluster.client)

    await killed.start()
    await cluster.untilLeads()
    await knows(killed)
  })

  test('has no leader without a majority, and its agents start all the same', inTurn, async () => {
    await Promise.all(cluster.servers.map((server) => server.kill()))
    const [first, ...others] = cluster.servers
    await first?.start()
    expect(await cluster.leader()).toBeUndefined()
    await expect(cluster.killLeader()).rejects.toThrow('no server leads')
    await Promise.all(others.map((server) => server.start()))
    expect(cluster.servers).toContain(await cluster.untilLeads())
  })

  test('a server that was wiped learns everything from the others', inTurn, async () => {
    const name = uniqueService('orders')
    await register(cluster.client, { id: name, name, port: 8080 })
    const leader = await cluster.leader()
    const follower = cluster.servers.find((server) => server !== leader)
    if (follower === undefined) throw new Error('there is only one server')
    await follower.wipe()
    await cluster.untilLeads()
    const known = (): Promise<unknown> => query(follower, `health/service/${name}?stale`)
    await eventually(async () => ((await known()) as unknown[]).length === 1, { what: 'its own copy' })
  })

  test('a client that was wiped comes back as the same node, without its services', inTurn, async () => {
    const name = uniqueService('orders')
    await register(cluster.client, { id: name, name, port: 8080 })
    await eventually(async () => (await health(cluster.client, name))[0], { what: 'the entry' })
    await cluster.client.wipe()
    await cluster.untilLeads()
    await eventually(async () => (await health(cluster.client, name)).length === 0, { what: 'no entry' })
    await register(cluster.client, { id: name, name, port: 8081 })
    await eventually(async () => (await health(cluster.client, name))[0], { what: 'the entry' })
  })
})

test.concurrent(
  'a cluster with ACLs denies who has no token, at the client too, which starts without a server',
  async () => {
    await using cluster = await startCluster({ servers: 1, managementToken: randomUUID() })
    const { client, servers } = cluster
    const name = uniqueService('orders')
    const registration = { id: name, name, port: 8080 }
    await expect(register(client.address, registration)).rejects.toThrow(': 403 ')
    await register(client, registration)
    expect(await health(client.address, name)).toEqual([])
    await eventually(async () => (await health(client, name)).length === 1, { what: 'the entry' })
    const token = await createToken(client, { rules: `service_prefix "" { policy = "read" }` })
    const reader = { address: client.address, token: token.secretId }
    expect(await query(reader, 'agent/services')).toHaveProperty(name)

    await Promise.all(cluster.agents.map((agent) => agent.kill()))
    await client.start()
    await expect(leaderOf(client)).rejects.toThrow('500')
    await servers[0]?.start()
    expect(await cluster.untilLeads()).toBe(servers[0])
  },
)

describe.concurrent('two datacenters', () => {
  let datacenters: Datacenters
  beforeAll(async () => {
    datacenters = await startDatacenters()
    return () => datacenters[Symbol.asyncDispose]()
  })

  test('answer for each other', inTurn, async () => {
    const { dc1, dc2 } = datacenters
    const name = uniqueService('orders')
    await register(dc2, { id: name, name, port: 8080 })
    const path = `${name}?dc=dc2`
    const entry = await eventually(async () => (await entries(dc1.address, path))[0], { what: 'the entry' })
    expect(entry.Node).toMatchObject({ Node: 'dc2', Datacenter: 'dc2', Address: '127.0.0.3' })
    expect(await entries(dc1.address, name)).toEqual([])
    await expect(query(dc1, `health/service/${name}?dc=dc3`)).rejects.toThrow(': 500 ')
  })

  test.for(['kill', 'stop'] as const)(
    'after %s of one, the other says so until it is back',
    inTurn,
    async (end) => {
      const { dc1, dc2 } = datacenters
      await dc2[end]()
      await expect(query(dc1, 'health/service/consul?dc=dc2')).rejects.toThrow(': 500 ')
      expect(await query(dc1, 'health/service/consul')).toHaveLength(1)
      await dc2.start()
      await datacenters.untilJoined()
      expect(await query(dc1, 'health/service/consul?dc=dc2')).toHaveLength(1)
    },
  )
})

// One after the other, and alone: where data folders go is a matter of the whole process.
describe('what is left', () => {
  // Folders of agents go below one of our own, so that whatever is left behind can be seen.
  let scratch: string
  beforeEach(async () => {
    scratch = await mkdtemp(join(tmpdir(), 'consul-clusters-'))
    vi.stubEnv('TMPDIR', scratch)
  })
  afterEach(async () => {
    vi.unstubAllEnvs()
    await rm(scratch, { recursive: true, force: true })
  })

  test('of two clusters at the same time, when they close: nothing', async () => {
    const clusters = await Promise.all([startCluster({ servers: 1 }), startCluster({ servers: 1 })])
    const [one, other] = clusters
    expect(one.servers[0]?.host).toBe(other.servers[0]?.host)
    // Two agents each: neither has joined the other.
    for (const cluster of clusters) expect(await query(cluster.client, 'agent/members')).toHaveLength(2)
    await Promise.all(clusters.map((cluster) => cluster.close()))
    for (const { address } of [...one.agents, ...other.agents]) {
      expect(await refuses(address)).toBe(true)
      await untilNothingIsLeft(scratch, address)
    }
  })

  test('of a cluster of which one agent does not start: the log of that one', async () => {
    const config = (node: string): Record<string, unknown> =>
      node === 'server-2' ? { no_such_key: true } : {}
    await expect(startCluster({ config })).rejects.toThrow(/no_such_key/)
    expect(await folders(scratch)).toEqual([])
  })

  test('of a cluster whose server does not start: nothing, at once', async () => {
    const config = (node: string): Record<string, unknown> => (node === 'client' ? {} : { no_such_key: true })
    // With ACLs the client alone would wait for its server in vain.
    const starting = startCluster({ servers: 1, managementToken: randomUUID(), config })
    await expect(starting).rejects.toThrow(/no_such_key/)
    expect(await folders(scratch)).toEqual([])
  }, 30_000)

  test('of datacenters whose start is aborted: nothing', async () => {
    await expect(startDatacenters({ signal: AbortSignal.timeout(300) })).rejects.toThrow(/timeout/)
    expect(await folders(scratch)).toEqual([])
  })
})

/** By plain HTTP, with all that an entry has. */
async function entries(
  address: string,
  path: string,
): Promise<(HealthEntry & { Node: { Meta: unknown } })[]> {
  return (await query(address, `health/service/${path}`)) as (HealthEntry & { Node: { Meta: unknown } })[]
}
