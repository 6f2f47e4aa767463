import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client } from '@fairlead/sdk'
import { describe, expect, test } from 'vitest'
import type { OwnAgent } from '../support/consul/own-agent.js'
import { startOwnConsul } from '../support/consul/own-consul.js'
import { TestService } from '../support/consul/test-service.js'
import type { Registration } from '../support/consul/registry.js'
import { answerLater, loadOn, Watcher } from '../support/client-load.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

/** A Consul and three instances of one test: tests run at once, as it is their Consul that takes time. */
interface Scene extends AsyncDisposable {
  readonly consul: OwnAgent
  readonly servers: readonly HttpServer[]
}

async function startScene(): Promise<Scene> {
  const [consul, ...servers] = await Promise.all([
    startOwnConsul(),
    ...[1, 2, 3].map(() => startHttpServer(answerLater)),
  ])
  return {
    consul,
    servers,
    async [Symbol.asyncDispose]() {
      await consul.close()
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    },
  }
}

/** Kills the agent, leaves it dead for a while, and starts it with the data it had. */
async function outage(consul: OwnAgent, client: Client, end: 'stop' | 'kill'): Promise<void> {
  await consul[end]()
  await eventually(() => client.inspect().freshness === 'stale', { what: 'that the set is stale' })
  expect(client.inspect()).toMatchObject({ reason: expect.stringContaining(consul.address) as string })
  await delay(2000)
  await consul.start()
  // The client comes back by its backoff, which has grown to 4 s by then, or to more where the start was slow.
  await eventually(() => client.inspect().freshness === 'fresh', { what: 'freshness', deadlineMs: 45_000 })
}

describe.concurrent('Consul dies under load and comes back with its data', () => {
  type Check = (service: TestService, key: string) => Pick<Registration, 'check'>
  const registrations: readonly (readonly [string, 'stop' | 'kill', Check])[] = [
    ['without a check', 'kill', () => ({})],
    [
      'with a TTL check',
      'kill',
      (service, key) => ({ check: { CheckID: service.checkId(key), TTL: '30s' } }),
    ],
    [
      'with a TTL check',
      'stop',
      (service, key) => ({ check: { CheckID: service.checkId(key), TTL: '30s' } }),
    ],
  ]

  test.for(registrations)('%s (%s)', async ([, end, checkOf]) => {
    await using scene = await startScene()
    const { consul, servers } = scene
    await using service = new TestService(consul)
    const keys = servers.map((_, index) => String(index))
    const heartbeat = (): Promise<unknown> =>
      Promise.allSettled(keys.map((key) => service.report(key, 'pass')))
    for (const [index, { port }] of servers.entries()) {
      await service.add(String(index), { port, ...checkOf(service, String(index)) })
    }
    await heartbeat()
    // The instances go on to report that they are healthy, whether or not an agent is there.
    const heartbeats = setInterval(() => void heartbeat(), 500)
    await using client = createClient(service.name, { consul: { address: consul.address }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
    using watcher = new Watcher(client)
    const load = loadOn(client, watcher)
    try {
      const before = servers.map((server) => server.requests)
      await outage(consul, client, end)
      await using later = await startHttpServer()
      // Registered with an agent that has just come back.
      await service.add('later', { port: later.port })
      await eventually(() => later.requests > 0, { what: 'load on the one registered later' })
      await service.remove('later')
      await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints again' })
      const loaded = (): boolean =>
        servers.every((server, index) => server.requests > (before[index] ?? 0) + 100)
      await eventually(loaded, { what: 'more than 100 requests on each, however slow this machine is' })
      await load.stop()

      expect(load.failures).toEqual([])
      expect(watcher.freshness).toEqual(['fresh', 'stale', 'fresh'])
      expect(watcher.fewest).toBe(3)
    } finally {
      clearInterval(heartbeats)
      await load.stop()
    }
  })

  // A Consul agent takes every HTTP check for critical until it has run for the first time after a start: within
  // an interval of it, and at a moment of chance for each check. The catalog knew them as passing meanwhile.
  test('with an HTTP check: all are critical until it has run, and are retained meanwhile', async () => {
    await using scene = await startScene()
    const { consul, servers } = scene
    await using service = new TestService(consul)
    for (const [index, { port, origin }] of servers.entries()) {
      const check = { HTTP: `${origin}/`, Interval: '1s', Timeout: '1s', Status: 'passing' } as const
      await service.add(String(index), { port, check })
    }
    await using client = createClient(service.name, { consul: { address: consul.address }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
    using watcher = new Watcher(client)
    const load = loadOn(client, watcher)
    try {
      await outage(consul, client, 'kill')
      await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints again' })
      await load.stop()
      expect(load.failures).toEqual([])
      expect(watcher.freshness).toEqual(['fresh', 'stale', 'fresh'])
    } finally {
      await load.stop()
    }
  })
})

describe.concurrent('Consul comes back with an empty catalogue under load', () => {
  test('what it has forgotten is retained until it is registered again', async () => {
    await using scene = await startScene()
    const { consul, servers } = scene
    await using service = new TestService(consul)
    const registerAll = async (): Promise<void> => {
      for (const [index, { port }] of servers.entries()) await service.add(String(index), { port })
    }
    await registerAll()
    await using client = createClient(service.name, { consul: { address: consul.address }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
    const load = loadOn(client)
    try {
      await consul.wipe()
      // "Knows no instance of that name" is the truth as far as Consul goes, and it is no reason to fail.
      await eventually(() => client.inspect().retainedEndpoints.length === 3, {
        what: 'all retained',
        deadlineMs: 30_000,
      })
      expect(client.inspect()).toMatchObject({ freshness: 'fresh', endpoints: [] })
      const before = load.succeeded
      await eventually(() => load.succeeded > before + 500, { what: 'load on what is retained' })
      await eventually(() => client.inspect().retainedEndpoints.every(({ confirmed }) => confirmed), {
        what: 'that each has answered',
      })
      await registerAll()
      await eventually(() => client.inspect().endpoints.length === 3, { what: 'all three again' })
      expect(client.inspect().retainedEndpoints).toEqual([])
      await load.stop()
      expect(load.failures).toEqual([])
    } finally {
      await load.stop()
    }
  })

  test('one that is really gone is removed by the first request that cannot connect to it', async () => {
    await using consul = await startOwnConsul()
    await using service = new TestService(consul)
    await using one = await startHttpServer(answerLater)
    const other = await startHttpServer(answerLater)
    await service.add('one', { port: one.port })
    await service.add('other', { port: other.port })
    await using client = createClient(service.name, { consul: { address: consul.address }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
    const load = loadOn(client)
    try {
      await consul.wipe()
      await eventually(() => client.inspect().retainedEndpoints.length === 2, {
        what: 'both retained',
        deadlineMs: 30_000,
      })
      await other[Symbol.asyncDispose]()
      await eventually(() => client.inspect().retainedEndpoints.length === 1, { what: 'one retained' })
      expect(client.inspect().retainedEndpoints[0]?.origin).toBe(one.origin)
      const before = load.succeeded
      await eventually(() => load.succeeded > before + 200, { what: 'load on the other' })
      await load.stop()
      expect(load.failures).toEqual([])
    } finally {
      await load.stop()
    }
  })
})
