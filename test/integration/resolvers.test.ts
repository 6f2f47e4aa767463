import { mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, dnsResolver, fileResolver, type Client, type DnsResolverOptions } from '@fairlead/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startConsul } from '../support/consul/start-consul.js'
import type { TestConsul } from '../support/consul/test-consul.js'
import { TestService } from '../support/consul/test-service.js'
import { freePorts } from '../support/free-ports.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

describe("Consul's own DNS", () => {
  let consul: TestConsul
  let server: string

  beforeAll(async () => {
    const [dns = 0] = await freePorts(1)
    server = `127.0.0.1:${dns}`
    // Without `enable_truncate` Consul leaves out what a packet does not hold, and does not say so.
    const config = { ports: { dns }, dns_config: { enable_truncate: true } }
    // An agent of our own: others have no DNS.
    consul = await startConsul({ kinds: ['container', 'process'], config })
  })

  afterAll(() => consul.close())

  function clientOf(service: TestService, options: DnsResolverOptions = {}): Client {
    const resolver = dnsResolver({
      name: (name) => `${name}.service.consul`,
      servers: [server],
      refreshMs: 1000,
      ...options,
    })
    return createClient(service.name, { resolver, logger: quiet, balancer: 'weighted_round_robin' })
  }

  test('SRV records bring ports and weights', async () => {
    await using service = new TestService(consul.address)
    await using heavy = await startHttpServer()
    await using light = await startHttpServer()
    await service.add('heavy', { port: heavy.port, weights: { passing: 3, warning: 1 } })
    await service.add('light', { port: light.port, weights: { passing: 1, warning: 1 } })
    await using client = clientOf(service)
    await client.ready()
    expect(client.inspect().resolver).toBe(`DNS at ${server}`)
    for (let request = 0; request < 40; request++) await ask(client)
    expect([heavy.requests, light.requests]).toEqual([30, 10])

    await service.remove('heavy')
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'one endpoint' })
    for (let request = 0; request < 5; request++) await ask(client)
    expect([heavy.requests, light.requests]).toEqual([30, 15])
  })

  test('more instances than a packet holds come by TCP', async () => {
    await using service = new TestService(consul.address)
    const ports = Array.from({ length: 60 }, (_, index) => 2000 + index)
    for (const port of ports) await service.add(String(port), { port })
    await using client = clientOf(service)
    await client.ready()
    const found = client.inspect().endpoints.map(({ origin }) => Number(new URL(origin).port))
    expect(found.sort()).toEqual(ports)
  })

  test('addresses alone, on a port that is given', async () => {
    await using service = new TestService(consul.address)
    const servers = await serversOnOnePort()
    await using one = servers[0]
    await using other = servers[1]
    await service.add('one', { port: 1, address: '127.0.0.1' })
    await service.add('other', { port: 2, address: '127.0.0.2' })
    await using client = clientOf(service, { port: one.port })
    await client.ready()
    for (let request = 0; request < 10; request++) await ask(client)
    expect([one.requests, other.requests]).toEqual([5, 5])
  })

  test('a critical instance is out; a service without any is known to have none', async () => {
    await using service = new TestService(consul.address)
    await using instance = await startHttpServer()
    const check = { CheckID: service.checkId('a'), TTL: '60s', Status: 'passing' } as const
    await service.add('a', { port: instance.port, check })
    await using client = clientOf(service)
    await ask(client)
    await service.report('a', 'fail')
    await eventually(() => client.inspect().endpoints.length === 0, { what: 'no endpoint' })
    expect(client.inspect().freshness).toBe('fresh')
    await expect(client.request({ path: '/' })).rejects.toMatchObject({ code: 'NO_ENDPOINTS' })
  })

  test('an agent that is gone leaves the last set serving', async () => {
    await using service = new TestService(consul.address)
    await using instance = await startHttpServer()
    await service.add('a', { port: instance.port })
    await using client = clientOf(service, { timeoutMs: 200 })
    await ask(client)
    await consul.kill()
    const refused = `SRV ${service.name}.service.consul (ECONNREFUSED)`
    await eventually(() => client.inspect().reason?.includes(refused), { what: 'the reason' })
    expect(client.inspect().freshness).toBe('stale')
    await ask(client)
    await consul.start()
    // Consul answers by DNS also what is stale, and right after its start from a catalog that it has not read yet: none.
    // That one instance is gone is believed.
    await eventually(
      () => client.inspect().freshness === 'fresh' && client.inspect().endpoints.length === 1,
      { what: 'freshness, and the instance', deadlineMs: 60_000 },
    )
    await ask(client)
  })
})

test('a file behind a link that is swapped, as Kubernetes does it', async () => {
  await using before = await startHttpServer()
  await using after = await startHttpServer()
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-services-'))
  try {
    await writeFile(join(folder, '1.yaml'), `orders:\n  - ${before.origin}\n`)
    await writeFile(join(folder, '2.yaml'), `orders:\n  - ${after.origin}\n`)
    const path = join(folder, 'services.yaml')
    await symlink('1.yaml', path)
    await using client = createClient('orders', {
      resolver: fileResolver({ path, pollMs: 50 }),
      logger: quiet,
    })
    await ask(client)
    await symlink('2.yaml', join(folder, 'new'))
    await rename(join(folder, 'new'), path)
    await eventually(() => client.inspect().endpoints[0]?.origin === after.origin, { what: 'the new file' })
    await ask(client)
    expect([before.requests, after.requests]).toEqual([1, 1])

    await unlink(path)
    await eventually(() => client.inspect().freshness === 'stale', { what: 'staleness' })
    await ask(client)
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function serversOnOnePort(): Promise<[HttpServer, HttpServer]> {
  for (;;) {
    const one = await startHttpServer(undefined, '127.0.0.1')
    try {
      return [one, await startHttpServer(undefined, '127.0.0.2', one.port)]
    } catch {
      // What is free on the one address is not always free on the other.
      await one[Symbol.asyncDispose]()
    }
  }
}

async function ask(client: Client): Promise<void> {
  const { statusCode, body } = await client.request({ path: '/' })
  await body.dump()
  expect(statusCode).toBe(200)
}
