import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client } from '@fairlead/sdk'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { answerLater, loadOn, Watcher } from '../support/client-load.js'
import { createToken } from '../support/consul/acl.js'
import { startCluster, type Cluster } from '../support/consul/cluster.js'
import { startOwnConsul } from '../support/consul/own-consul.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'
import { TempFolder } from '../support/temp-folder.js'

// Three servers and an agent, as Consul is run in production: clients ask the agent, the agent asks whoever leads.
let cluster: Cluster
let servers: readonly HttpServer[]

beforeAll(async () => {
  cluster = await startCluster()
  servers = await Promise.all([1, 2, 3].map(() => startHttpServer(answerLater)))
})
afterAll(async () => {
  await cluster.close()
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})
beforeEach(async () => {
  for (const agent of cluster.agents) if (!(await agent.running())) await agent.start()
  await cluster.untilLeads()
})

const fresh = (client: Client): Promise<true> =>
  eventually(() => client.inspect().freshness === 'fresh', { what: 'freshness', deadlineMs: 30_000 })

/** Under load on three instances, without a failure: `events`, and then a change that still arrives. */
async function survive(events: (client: Client, watcher: Watcher) => Promise<void>): Promise<Watcher> {
  await using service = new TestService(cluster.client)
  for (const [index, { port }] of servers.entries()) await service.add(String(index), { port })
  await using client = createClient(service.name, {
    consul: { address: cluster.client.address },
    logger: quiet,
  })
  await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
  using watcher = new Watcher(client)
  const load = loadOn(client, watcher)
  try {
    await events(client, watcher)
    await fresh(client)
    await using later = await startHttpServer()
    await service.add('later', { port: later.port })
    await eventually(() => later.requests > 0, {
      what: 'load on the one registered later',
      deadlineMs: 30_000,
    })
    await load.stop()
    expect(load.failures).toEqual([])
    expect(load.succeeded).toBeGreaterThan(1000)
    expect(watcher.fewest).toBe(3)
    return watcher
  } finally {
    await load.stop()
  }
}

describe('under load no request fails', () => {
  test('when the leader is killed, and when it comes back', async () => {
    await survive(async () => {
      const killed = await cluster.killLeader()
      await cluster.untilLeads()
      await delay(1000)
      await killed.start()
      await cluster.untilLeads()
    })
  })

  test('when there is no leader for a while', async () => {
    await survive(async (client) => {
      const [first, second] = cluster.servers
      await Promise.all([first?.kill(), second?.kill()])
      // The agent answers 500, or with what its last server still knows; either way nothing is lost.
      await delay(5000)
      expect(client.inspect().endpoints).toHaveLength(3)
      await Promise.all([first?.start(), second?.start()])
      await cluster.untilLeads()
    })
  })

  // A minute is also the least that Consul lets a token live, so both are waited for at once.
  test.concurrent(
    'when the agent is dead for a minute',
    async () => {
      const watcher = await survive(async (client) => {
        await cluster.client.kill()
        await eventually(() => client.inspect().freshness === 'stale', { what: 'that the set is stale' })
        await delay(60_000)
        expect(client.inspect().staleForMs).toBeGreaterThan(59_000)
        await cluster.client.start()
      })
      expect(watcher.freshness).toEqual(['fresh', 'stale', 'fresh'])
    },
    180_000,
  )

  test.concurrent(
    'when the token expires, until there is another one in its file',
    async () => {
      await using consul = await startOwnConsul({ managementToken: randomUUID() })
      await using folder = await TempFolder.create('fairlead-token-')
      await using service = new TestService(consul)
      for (const [index, { port }] of servers.entries()) await service.add(String(index), { port })
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
    },
    180_000,
  )
})
