import { createClient, type Client, type ClientOptions } from '@fairlead/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { uniqueService } from '../support/consul/registry.js'
import { startConsul } from '../support/consul/start-consul.js'
import type { TestConsul } from '../support/consul/test-consul.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

// What operators write into Consul for all clients of a service. Chains are compiled only where Connect is enabled.
let consul: TestConsul
let servers: readonly [HttpServer, HttpServer, HttpServer]

beforeAll(async () => {
  consul = await startConsul({ kinds: ['container', 'process'], config: { connect: { enabled: true } } })
  servers = await Promise.all([startHttpServer(), startHttpServer(), startHttpServer()])
})
afterAll(async () => {
  await consul.close()
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})

function clientOf(service: string, options: ClientOptions = {}): Client {
  return createClient(service, { consul: { address: consul.address }, logger: quiet, ...options })
}

async function write(entry: object): Promise<void> {
  const body = JSON.stringify({ Kind: 'service-resolver', ...entry })
  const response = await fetch(`${consul.address}/v1/config`, { method: 'PUT', body })
  expect(response.status, await response.text()).toBe(200)
}

async function forget(name: string): Promise<void> {
  await fetch(`${consul.address}/v1/config/service-resolver/${name}`, { method: 'DELETE' })
}

function originsOf(client: Client): string[] {
  return client.inspect().endpoints.map(({ origin }) => origin)
}

async function untilOrigins(client: Client, servers: readonly HttpServer[]): Promise<void> {
  const wanted = servers.map(({ origin }) => origin).sort()
  await eventually(() => originsOf(client).sort().join() === wanted.join(), {
    what: `the endpoints ${wanted.join()}; they are ${originsOf(client).join()}`,
  })
}

const versions = {
  v1: { Filter: 'Service.Meta.version == v1' },
  v2: { Filter: 'Service.Meta.version == v2' },
}

async function twoVersions(service: TestService): Promise<void> {
  await service.add('one', { port: servers[0].port, meta: { version: 'v1' } })
  await service.add('two', { port: servers[1].port, meta: { version: 'v2' } })
}

test('the default subset is what is used, and a change of it is followed', async () => {
  await using service = new TestService(consul.address)
  await twoVersions(service)
  await write({ Name: service.name, Subsets: versions, DefaultSubset: 'v1' })
  await using client = clientOf(service.name)
  await client.ready()
  // From the first answer on: never was a request sent to the other.
  expect(originsOf(client)).toEqual([servers[0].origin])

  await write({ Name: service.name, Subsets: versions, DefaultSubset: 'v2' })
  await untilOrigins(client, [servers[1]])
  await forget(service.name)
  await untilOrigins(client, [servers[0], servers[1]])
})

test('one that is written later is followed, and not where the client says otherwise', async () => {
  await using service = new TestService(consul.address)
  await twoVersions(service)
  await using client = clientOf(service.name)
  await using deaf = clientOf(service.name, { consul: { address: consul.address, serverPolicy: false } })
  await using filtering = clientOf(service.name, {
    consul: { address: consul.address, filter: 'Service.Meta.version != v2' },
  })
  await untilOrigins(client, [servers[0], servers[1]])
  await write({ Name: service.name, Subsets: versions, DefaultSubset: 'v2' })
  await untilOrigins(client, [servers[1]])
  expect(originsOf(deaf)).toHaveLength(2)
  // Both hold, the client's filter and the subset's.
  await untilOrigins(filtering, [])
  await forget(service.name)
})

test('only passing: a warning takes an instance out', async () => {
  await using service = new TestService(consul.address)
  const check = { CheckID: service.checkId('one'), TTL: '60s', Status: 'passing' } as const
  await service.add('one', { port: servers[0].port, meta: { version: 'v1' }, check })
  await service.add('two', { port: servers[1].port, meta: { version: 'v1' } })
  const subset = { ...versions.v1, OnlyPassing: true }
  await write({ Name: service.name, Subsets: { v1: subset }, DefaultSubset: 'v1' })
  await using client = clientOf(service.name)
  await untilOrigins(client, [servers[0], servers[1]])
  await service.report('one', 'warn')
  await untilOrigins(client, [servers[1]])
  expect(client.inspect().excluded).toMatchObject([{ reason: 'warning', kind: 'unhealthy' }])
  await forget(service.name)
})

test('a redirect goes to another service', async () => {
  await using service = new TestService(consul.address)
  await service.add('one', { port: servers[0].port })
  const old = uniqueService('old')
  await write({ Name: old, Redirect: { Service: service.name } })
  await using client = clientOf(old)
  const { statusCode, body } = await client.request({ path: '/' })
  await body.dump()
  expect(statusCode).toBe(200)
  expect(originsOf(client)).toEqual([servers[0].origin])
  await forget(old)
})

describe('failover', () => {
  async function sent(client: Client, requests: number): Promise<readonly number[]> {
    const before = servers.map((server) => server.requests)
    for (let request = 0; request < requests; request++)
      await (await client.request({ path: '/' })).body.dump()
    return servers.map((server, index) => server.requests - (before[index] ?? 0))
  }

  test.for(["Consul's", "the client's own"])(
    '%s: what the first priority cannot carry spills over',
    async (whose) => {
      await using service = new TestService(consul.address)
      await using backup = new TestService(consul.address)
      for (const [key, server] of [
        ['one', servers[0]],
        ['two', servers[1]],
      ] as const) {
        const check = { CheckID: service.checkId(key), TTL: '60s', Status: 'passing' } as const
        await service.add(key, { port: server.port, check })
      }
      await backup.add('three', { port: servers[2].port })
      if (whose === "Consul's")
        await write({ Name: service.name, Failover: { '*': { Service: backup.name } } })
      const failover = whose === "Consul's" ? [] : [{ service: backup.name }]
      await using client = clientOf(service.name, { consul: { address: consul.address, failover } })
      await untilOrigins(client, servers)
      expect(
        client
          .inspect()
          .endpoints.map(({ priority }) => priority)
          .sort(),
      ).toEqual([0, 0, 1])

      const [one, two, three] = await sent(client, 100)
      expect([(one ?? 0) + (two ?? 0), three]).toEqual([100, 0])

      // Half of it: 1.4 x 50% stays, the rest spills.
      await service.report('one', 'fail')
      await untilOrigins(client, [servers[1], servers[2]])
      const halves = await sent(client, 600)
      expect(halves[0]).toBe(0)
      expect((halves[1] ?? 0) / 600).toBeGreaterThan(0.62)
      expect((halves[1] ?? 0) / 600).toBeLessThan(0.78)

      await service.report('two', 'fail')
      await eventually(() => client.inspect().endpoints.length === 1, { what: 'the other priority alone' })
      expect(await sent(client, 50)).toEqual([0, 0, 50])
      await forget(service.name)
    },
  )

  test('a place that cannot be queried is reported, and disturbs nothing', async () => {
    await using service = new TestService(consul.address)
    await service.add('one', { port: servers[0].port })
    await using client = clientOf(service.name, {
      consul: { address: consul.address, failover: [{ datacenter: 'dc9' }] },
    })
    await client.ready()
    await eventually(() => client.inspect().excluded.length === 1, { what: 'a note' })
    expect(client.inspect()).toMatchObject({
      freshness: 'fresh',
      endpoints: [{ origin: servers[0].origin }],
      excluded: [{ key: `${service.name} in dc9`, kind: 'unusable', priority: 1 }],
    })
    expect(client.inspect().excluded[0]?.reason).toContain('answered 500')
    expect(await sent(client, 20)).toEqual([20, 0, 0])
  })
})
