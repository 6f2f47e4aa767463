import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, register, type Client, type Registration } from '@fairlead/sdk'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { answerLater, loadOn, Watcher } from '../support/client-load.js'
import { createToken } from '../support/consul/acl.js'
import type { TlsFiles } from '../support/consul/agent-access.js'
import { leaderOf, query } from '../support/consul/agent-api.js'
import { CertificateAuthority } from '../support/consul/certificates.js'
import { startCluster, type Cluster } from '../support/consul/cluster.js'
import { startOwnConsul } from '../support/consul/own-consul.js'
import { health } from '../support/consul/registry.js'
import { TestService } from '../support/consul/test-service.js'
import { issueForAgent, reload } from '../support/consul/tls.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'
import { TempFolder } from '../support/temp-folder.js'

const stale = (client: Client): Promise<true> =>
  eventually(() => client.inspect().freshness === 'stale', { what: 'that the set is stale' })

const fresh = (client: Client): Promise<true> =>
  eventually(() => client.inspect().freshness === 'fresh', { what: 'freshness', deadlineMs: 30_000 })

let servers: readonly HttpServer[]

beforeAll(async () => {
  servers = await Promise.all([1, 2, 3].map(() => startHttpServer(answerLater)))
  return async () => {
    await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
  }
})

interface Scene {
  readonly cluster: Cluster
  readonly tls?: TlsFiles
  /** Registers the three instances. Default: the test does, once. */
  readonly registerAll?: (service: TestService) => Promise<void>
  /** Endpoints there were at any time, at least. @defaultValue 3 */
  readonly fewest?: number
}

/** Under load on three instances, without a failure: `events`, and then a change that still arrives. */
async function survive(
  { cluster, tls, registerAll = addAll, fewest = 3 }: Scene,
  events: (client: Client) => Promise<void>,
): Promise<Watcher> {
  await using service = new TestService(cluster.client)
  await registerAll(service)
  const { address } = cluster.client
  await using client = createClient(service.name, {
    consul: tls === undefined ? { address } : { address, tls },
    logger: quiet,
  })
  await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
  using watcher = new Watcher(client)
  const load = loadOn(client, watcher)
  try {
    await events(client)
    await fresh(client)
    await using later = await startHttpServer()
    await service.add('later', { port: later.port })
    await eventually(() => later.requests > 0, {
      what: 'load on the one registered later',
      deadlineMs: 30_000,
    })
    // A second's worth; where cores are busy, the events may be over before.
    await eventually(() => load.succeeded > 1000, { what: 'load that says something', deadlineMs: 30_000 })
    await load.stop()
    expect(load.failures).toEqual([])
    expect(watcher.fewest).toBeGreaterThanOrEqual(fewest)
    return watcher
  } finally {
    await load.stop()
  }
}

async function addAll(service: TestService): Promise<void> {
  for (const [index, { port }] of servers.entries()) await service.add(String(index), { port })
}

// One after the other, while the two that take a minute run beside them.
const inTurn = { concurrent: false, timeout: 120_000 } as const

describe.concurrent('under load no request fails', () => {
  // Three servers and an agent, as Consul is run in production: clients ask the agent, the agent asks the leader.
  describe('of a cluster', () => {
    let cluster: Cluster
    beforeAll(async () => {
      cluster = await startCluster()
      return () => cluster.close()
    })
    beforeEach(async () => {
      for (const agent of cluster.agents) if (!(await agent.running())) await agent.start()
      await cluster.untilLeads()
    })

    test('when the leader is killed, and when it comes back', inTurn, async () => {
      await survive({ cluster }, async () => {
        const killed = await cluster.killLeader()
        await cluster.untilLeads()
        await delay(1000)
        await killed.start()
        await cluster.untilLeads()
      })
    })

    test('when there is no leader for a while', inTurn, async () => {
      await survive({ cluster }, async (client) => {
        const [first, second] = cluster.servers
        await Promise.all([first?.kill(), second?.kill()])
        // The agent answers 500, or with what its last server still knows; either way nothing is lost.
        await delay(5000)
        expect(client.inspect().endpoints).toHaveLength(3)
        await Promise.all([first?.start(), second?.start()])
        await cluster.untilLeads()
      })
    })

    test('when the agent comes back with nothing, and the instances register again', inTurn, async () => {
      const registrations: Registration[] = []
      const registerAll = async ({ name }: TestService): Promise<void> => {
        const consul = { address: cluster.client.address }
        const check = { kind: 'ttl', ttlMs: 3000 } as const
        for (const { port } of servers) {
          registrations.push(register({ name, port, address: '127.0.0.1', check, consul, logger: quiet }))
        }
        await Promise.all(registrations.map((registration) => registration.ready()))
      }
      try {
        // Between the two, the catalog may know none of them.
        await survive({ cluster, registerAll, fewest: 0 }, async (client) => {
          const leader = await cluster.untilLeads()
          await using forgotten = new TestService(cluster.client)
          await forgotten.add('a', { port: 1 })
          const known = async (): Promise<number> => (await health(leader, forgotten.name)).length
          await eventually(async () => (await known()) === 1, {
            what: 'one that is not registered again',
            deadlineMs: 45_000,
          })
          await cluster.client.wipe()
          // The catalog has heard from the agent that it has nothing.
          await eventually(async () => (await known()) === 0, {
            what: 'that one to be gone',
            deadlineMs: 45_000,
          })
          // What the agent has now it has been told again, and what it has the catalog keeps.
          const ids = registrations.map(({ id }) => id)
          await eventually(
            async () => {
              const services = (await query(cluster.client, 'agent/services')) as object
              return ids.every((id) => id in services)
            },
            { what: 'the three at the agent', deadlineMs: 45_000 },
          )
          await eventually(
            () => {
              const { endpoints, retainedEndpoints } = client.inspect()
              return endpoints.length === 3 && retainedEndpoints.length === 0
            },
            { what: 'three endpoints again', deadlineMs: 45_000 },
          )
        })
      } finally {
        await Promise.all(registrations.map((registration) => registration.deregister()))
      }
    })

    test('over TLS, while the authority and all certificates are replaced', inTurn, async () => {
      await using authority = await CertificateAuthority.create()
      await using secured = await startCluster({ tls: { authority, verifyIncoming: true } })
      const { agents, client: agent } = secured
      const tls = await authority.issue('orders-client')
      const former = { address: agent.address, tls: await authority.issue('former-client') }
      const reloadAll = (): Promise<unknown> => Promise.all(agents.map(reload))
      await survive({ cluster: secured, tls }, async (client) => {
        await eventually(() => leaderOf(former), { what: 'an answer for who has a former certificate' })
        // As it is done without an outage: both authorities are trusted, then all have new certificates, then one is.
        await authority.renew()
        await reloadAll()
        await Promise.all(['management', 'orders-client'].map((name) => authority.issue(name)))
        await Promise.all(agents.map(({ host, ports }) => issueForAgent(authority, host, ports.http)))
        await reloadAll()
        await authority.forget()
        await reloadAll()
        await expect(leaderOf(former)).rejects.toThrow()
        // A connection outlives the certificates that it was made with; after this there is none.
        await agent.kill()
        await stale(client)
        await agent.start()
      })
    })
  })

  // A minute is also the least that Consul lets a token live, so both are waited for at once.
  test('when the agent is dead for a minute', async () => {
    await using own = await startCluster()
    // An agent that is back may say for a moment that its own node has failed, as the servers still have it.
    const watcher = await survive({ cluster: own, fewest: 0 }, async (client) => {
      await own.client.kill()
      await stale(client)
      await delay(60_000)
      expect(client.inspect().staleForMs).toBeGreaterThan(59_000)
      expect(client.inspect()).toMatchObject({ endpoints: [{}, {}, {}], retainedEndpoints: [] })
      await own.client.start()
    })
    expect(watcher.freshness).toEqual(['fresh', 'stale', 'fresh'])
  }, 180_000)

  test('when the token expires, until there is another one in its file', async () => {
    await using consul = await startOwnConsul({ managementToken: randomUUID() })
    await using folder = await TempFolder.create('fairlead-token-')
    await using service = new TestService(consul)
    await addAll(service)
    const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'
    const tokenFile = join(folder.path, 'token')
    const expiring = await createToken(consul, { rules, expirationTtlMs: 60_000 })
    await writeFile(tokenFile, expiring.secretId)
    await using client = createClient(service.name, {
      consul: { address: consul.address, tokenFile, waitMs: 1000 },
      logger: quiet,
    })
    await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
    const load = loadOn(client)
    try {
      await eventually(() => client.inspect().freshness === 'stale', {
        what: 'that the token has expired',
        deadlineMs: 120_000,
      })
      expect(client.inspect().reason).toContain('ACL not found')
      await delay(2000)
      await writeFile(tokenFile, (await createToken(consul, { rules })).secretId)
      await fresh(client)
      await load.stop()
      expect(load.failures).toEqual([])
    } finally {
      await load.stop()
    }
  }, 180_000)
})
