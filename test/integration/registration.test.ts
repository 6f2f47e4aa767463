import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer as createGrpcServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  createClient,
  register,
  type CheckOptions,
  type Registration,
  type RegisterOptions,
} from '@fairlead/sdk'
import { describe, expect, inject, test as base } from 'vitest'
import { createToken } from '../support/consul/acl.js'
import { query } from '../support/consul/agent-api.js'
import {
  deregister,
  deregisterCheck,
  health,
  maintenance,
  uniqueService,
  type HealthEntry,
} from '../support/consul/registry.js'
import { startOwnConsul } from '../support/consul/own-consul.js'
import { startHttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'
import { RegisteredInstance } from '../support/registered-instance.js'
import { TempFolder } from '../support/temp-folder.js'

const agent = inject('consul').address

// Each test takes back its own, as several of them run at once.
const test = base.extend<{
  start: (options: Partial<RegisterOptions> & { readonly name: string }) => Registration
}>({
  start: async ({ onTestFinished }, use) => {
    await use((options) => {
      const registration = register({
        port: 8080,
        address: '127.0.0.1',
        consul: { address: agent },
        logger: quiet,
        ...options,
      })
      onTestFinished(async () => {
        await registration.deregister()
      })
      return registration
    })
  },
})

/** The one instance of the service, once it is as wanted. */
async function entryOf(service: string, wanted: (entry: HealthEntry) => boolean): Promise<HealthEntry> {
  return eventually(
    async () => {
      const [entry] = await health(agent, service)
      return entry !== undefined && wanted(entry) && entry
    },
    // An agent that has failed to tell its server comes again after 15 to 30 s.
    { what: `${service} as wanted`, deadlineMs: 45_000 },
  )
}

/** The status of the service's own checks, worst first where there are several. */
function statusesOf({ Checks }: HealthEntry): string[] {
  return Checks.filter(({ CheckID }) => CheckID !== 'serfHealth').map(({ Status }) => Status)
}

describe('what is registered', () => {
  test('is in the catalog to the letter', async ({ start }) => {
    const name = uniqueService('orders')
    await start({
      name,
      id: `${name}-1`,
      weights: { passing: 7, warning: 0 },
      tags: ['blue', 'v2'],
      meta: { version: '2', 'some-key_9': 'ä'.repeat(256) },
      taggedAddresses: { lan: { address: '10.0.0.1' }, wan: { address: 'orders.example', port: 443 } },
      enableTagOverride: true,
    }).ready()
    const [service] = (await query(agent, `catalog/service/${name}`)) as readonly object[]
    expect(service).toMatchObject({
      ServiceID: `${name}-1`,
      ServiceAddress: '127.0.0.1',
      ServicePort: 8080,
      ServiceWeights: { Passing: 7, Warning: 0 },
      ServiceTags: ['blue', 'v2'],
      ServiceMeta: { version: '2', 'some-key_9': 'ä'.repeat(256) },
      ServiceTaggedAddresses: {
        lan: { Address: '10.0.0.1', Port: 8080 },
        wan: { Address: 'orders.example', Port: 443 },
      },
      ServiceEnableTagOverride: true,
    })
  })

  test('has weights that a client goes by', async ({ start }) => {
    const name = uniqueService('orders')
    const [light, heavy] = [await startHttpServer(), await startHttpServer()]
    try {
      const lightOne = start({ name, port: light.port, weights: { passing: 1, warning: 1 } })
      const heavyOne = start({ name, port: heavy.port, weights: { passing: 3, warning: 1 } })
      await Promise.all([lightOne.ready(), heavyOne.ready()])
      await using client = createClient(name, {
        consul: { address: agent },
        balancer: 'weighted_round_robin',
        logger: quiet,
      })
      await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
      const sendAll = async (): Promise<readonly number[]> => {
        const before = [light.requests, heavy.requests]
        for (let sent = 0; sent < 40; sent++) await (await client.request({ path: '/' })).body.dump()
        return [light.requests, heavy.requests].map((requests, index) => requests - (before[index] ?? 0))
      }
      expect(await sendAll()).toEqual([10, 30])
      // With a warning it has the weight for that.
      heavyOne.report('warning', 'disk is full')
      await eventually(() => client.inspect().endpoints.every(({ weight }) => weight === 1), {
        what: 'weights of 1',
      })
      expect(await sendAll()).toEqual([20, 20])
    } finally {
      await light[Symbol.asyncDispose]()
      await heavy[Symbol.asyncDispose]()
    }
  })
})

// From here to the test with ACLs at once: it is the agent's time that passes, seconds for each.
describe.concurrent('checks', () => {
  test.for<readonly [string, (port: number) => readonly CheckOptions[]]>([
    ['http', () => [{ kind: 'http', url: '/health', intervalMs: 1000 }]],
    ['http by a whole URL', (port) => [{ kind: 'http', url: `http://127.0.0.1:${port}/`, intervalMs: 1000 }]],
    ['tcp', () => [{ kind: 'tcp', intervalMs: 1000 }]],
    ['ttl', () => [{ kind: 'ttl' }]],
    ['ttl and http', () => [{ kind: 'ttl' }, { kind: 'http', url: '/health', intervalMs: 1000 }]],
  ])('%s: passes', async ([, checks], { start }) => {
    const name = uniqueService('orders')
    await using server = await startHttpServer()
    await start({ name, port: server.port, checks: checks(server.port) }).ready()
    const all = checks(0).length
    await entryOf(name, (entry) => statusesOf(entry).filter((status) => status === 'passing').length === all)
  })

  test('http: what it asks for, and a 429 is a warning', async ({ start }) => {
    const name = uniqueService('orders')
    const asked: string[] = []
    await using server = await startHttpServer((request, response) => {
      asked.push(`${request.method ?? ''} ${request.url ?? ''} ${String(request.headers['x-check'])}`)
      response.writeHead(429).end('too much')
    })
    const check = {
      kind: 'http',
      url: '/health?full',
      method: 'POST',
      headers: { 'x-check': 'yes' },
      intervalMs: 1000,
    } as const
    await start({ name, port: server.port, check }).ready()
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'warning')
    expect(asked[0]).toBe('POST /health?full yes')
  })

  test('grpc: the agent asks by the health protocol, for the service that is named', async ({ start }) => {
    const name = uniqueService('orders')
    const asked: string[] = []
    // grpc.health.v1, by hand: a request with a name as its field 1, an answer with status 1, SERVING, as its field 1.
    const server = createGrpcServer()
    server.on('stream', (stream, headers) => {
      stream.on('data', (frame: Buffer) =>
        asked.push(`${headers[':path'] ?? ''} ${frame.subarray(7).toString()}`),
      )
      stream.on('end', () => stream.end(Buffer.from([0, 0, 0, 0, 2, 8, 1])))
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const { port } = server.address() as AddressInfo
      const registration = start({
        name,
        port,
        check: { kind: 'grpc', service: 'orders.v1', intervalMs: 1000 },
      })
      await registration.ready()
      await entryOf(name, (found) => statusesOf(found)[0] === 'passing')
      expect(asked[0]).toBe('/grpc.health.v1.Health/Check orders.v1')
      await registration.deregister()
    } finally {
      server.close()
    }
  })

  test('none at all: it is in service from the start, and noticed when it is forgotten', async ({
    start,
  }) => {
    const name = uniqueService('orders')
    const registration = start({ name, checks: [] })
    await registration.ready()
    expect(statusesOf(await entryOf(name, () => true))).toEqual([])
    await deregister(agent, registration.id)
    await entryOf(name, () => true)
  })
})

describe.concurrent('heartbeats', () => {
  test('keep it passing beyond its TTL, and carry what is reported', async ({ start }) => {
    const name = uniqueService('orders')
    const registration = start({ name, check: { kind: 'ttl', ttlMs: 3000 } })
    await registration.ready()
    const until = performance.now() + 7000
    while (performance.now() < until) {
      expect(statusesOf(await entryOf(name, () => true))).toEqual(['passing'])
      await delay(50)
    }
    registration.report('warning', 'queue is long')
    const warned = await entryOf(name, (entry) => statusesOf(entry)[0] === 'warning')
    expect(warned.Checks.find(({ Status }) => Status === 'warning')?.Output).toBe('queue is long')
    registration.report('critical', 'no database')
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'critical')
    registration.report('passing')
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'passing')
  })

  test('of a process that gets SIGKILL end, and it is critical; one that gets SIGSTOP as well, and it comes back', async () => {
    const name = uniqueService('orders')
    await using instance = new RegisteredInstance('a', name, agent, { check: { kind: 'ttl', ttlMs: 3000 } })
    await instance.start(0, 0)
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'passing')
    instance.child.signal('SIGSTOP')
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'critical')
    instance.child.signal('SIGCONT')
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'passing')
    await instance.child.kill()
    const { Service, Checks } = await entryOf(name, (entry) => statusesOf(entry)[0] === 'critical')
    expect(Checks.find(({ Status }) => Status === 'critical')?.Output).toContain('TTL expired')
    await deregister(agent, Service.ID)
  })
})

describe.concurrent('an agent that has forgotten', () => {
  test('by someone’s hand is registered with again, as it was', async ({ start }) => {
    const name = uniqueService('orders')
    const registration = start({ name, check: { kind: 'ttl', ttlMs: 3000 }, weights: { passing: 5 } })
    await registration.ready()
    registration.report('warning', 'as it was')
    await entryOf(name, (entry) => statusesOf(entry)[0] === 'warning')
    await deregister(agent, registration.id)
    const entry = await entryOf(name, ({ Service }) => Service.Weights.Passing === 5)
    expect(statusesOf(entry)).toEqual(['warning'])
  })

  test('a check of its own, by someone’s hand, gets it again', async ({ start }) => {
    const name = uniqueService('orders')
    await using server = await startHttpServer()
    const checks = [
      { kind: 'tcp', intervalMs: 1000 },
      { kind: 'http', url: '/health', intervalMs: 1000 },
    ] as const
    const warned: string[] = []
    const logger = { ...quiet, warn: (_: object, message: string) => void warned.push(message) }
    const registration = start({ name, port: server.port, checks, logger })
    await registration.ready()
    const passing = (entry: HealthEntry): boolean => statusesOf(entry).join() === 'passing,passing'
    await entryOf(name, passing)
    const lost = `service:${registration.id}:2`
    const has = ({ Checks }: HealthEntry): boolean => Checks.some(({ CheckID }) => CheckID === lost)
    await deregisterCheck(agent, lost)
    // Not from the catalog: the agent may have it again before that has seen it go.
    await eventually(() => warned.some((message) => message.includes('does not know check')), {
      what: 'that it is missed',
    })
    await eventually(async () => lost in ((await query(agent, 'agent/checks')) as object), {
      what: 'that the agent has it again',
    })
    await entryOf(name, (entry) => has(entry) && passing(entry))
  })

  test('with all its data gets it all again, and is warned of once while it is down', async ({ start }) => {
    await using consul = await startOwnConsul()
    const name = uniqueService('orders')
    const lines: string[] = []
    const registration = start({
      name,
      consul: { address: consul.address },
      check: { kind: 'ttl', ttlMs: 3000 },
      logger: {
        info: (_, message) => lines.push(message),
        warn: (_, message) => lines.push(`warn: ${message}`),
        error: (_, message) => lines.push(`error: ${message}`),
      },
    })
    const only = async (): Promise<HealthEntry | undefined> => (await health(consul, name))[0]
    await registration.ready()
    await registration.maintenance(true, 'an upgrade')
    await consul.stop()
    await eventually(() => lines.some((line) => line.startsWith('warn: ')), { what: 'a warning' })
    expect(registration.inspect().state).toBe('maintenance')
    await consul.wipe()
    const entry = await eventually(
      async () => {
        const found = await only()
        return found?.Checks.some(({ CheckID }) => CheckID.startsWith('_service_maintenance:')) && found
      },
      { what: 'the instance in maintenance again', deadlineMs: 20_000 },
    )
    expect(entry.Service.ID).toBe(registration.id)
    await registration.maintenance(false)
    await eventually(
      async () => statusesOf((await only()) ?? { ...entry, Checks: [] }).join() === 'passing',
      {
        what: 'the instance in service again',
      },
    )
    expect(
      lines.filter((line) => line.includes('keeping the instance registered failed; retrying')),
    ).toHaveLength(1)
    expect(await registration.deregister()).toBe(true)
  })
})

test.concurrent(
  'with ACLs: an error says what the token needs, one that may comes by its file, and a drain sees what clients see',
  async ({ start }) => {
    await using consul = await startOwnConsul({ managementToken: randomUUID() })
    await using folder = await TempFolder.create('fairlead-registration-')
    const name = uniqueService('orders')
    const tokenFile = join(folder.path, 'token')
    const nodes = 'node_prefix "" { policy = "read" }'
    const reader = await createToken(consul, { rules: `service "${name}" { policy = "read" } ${nodes}` })
    await writeFile(tokenFile, reader.secretId)
    const errors: string[] = []
    const registration = start({
      name,
      consul: { address: consul.address, tokenFile },
      logger: { ...quiet, error: (fields) => errors.push((fields as { reason: string }).reason) },
    })
    await eventually(() => errors.length === 1, { what: 'the rejection' })
    await expect(registration.ready({ timeoutMs: 100 })).rejects.toThrow(
      /is not registered .* needs service:write$/,
    )
    expect(errors).toHaveLength(1)
    const writer = await createToken(consul, { rules: `service "${name}" { policy = "write" } ${nodes}` })
    await writeFile(tokenFile, writer.secretId)
    await registration.ready()
    expect(await registration.drain()).toEqual({ confirmed: true, finished: true, deregistered: true })
  },
)

describe('maintenance', () => {
  test('goes on, is seen by clients, and goes off', async ({ start }) => {
    const name = uniqueService('orders')
    const registration = start({ name })
    await registration.ready()
    await using client = createClient(name, { consul: { address: agent }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'an endpoint' })
    await registration.maintenance(true, 'an upgrade')
    await eventually(() => client.inspect().excluded.length === 1, { what: 'an excluded instance' })
    expect(client.inspect()).toMatchObject({ endpoints: [], excluded: [{ reason: 'maintenance' }] })
    const entry = await entryOf(name, () => true)
    const notes = (entry.Checks as readonly { readonly Notes?: string }[]).map(({ Notes }) => Notes)
    expect(notes).toContain('an upgrade')
    await registration.maintenance(false)
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'an endpoint again' })
  })

  test('that an earlier process has left behind is over when the next one starts', async ({ start }) => {
    const name = uniqueService('orders')
    const first = start({ name, id: `${name}-1` })
    await first.ready()
    await maintenance(agent, first.id, true)
    await entryOf(name, (entry) => statusesOf(entry).includes('critical'))
    // As by a process that died: nothing is cleaned up. Another agent's address is another id to this one.
    const second = start({
      name,
      id: `${name}-1`,
      consul: { address: agent.replace('127.0.0.1', 'localhost') },
    })
    await second.ready()
    await entryOf(name, (entry) => statusesOf(entry).join() === 'passing')
  })
})

describe('drain', () => {
  test('tells clients, waits, finishes and is gone', async ({ start }) => {
    const name = uniqueService('orders')
    const registration = start({ name })
    await registration.ready()
    await using client = createClient(name, { consul: { address: agent }, logger: quiet })
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'an endpoint' })
    let seen: unknown
    const report = await registration.drain({
      finish: async () => {
        const [entry] = await health(agent, name)
        seen = { endpoints: client.inspect().endpoints.length, registered: entry?.Service.ID }
      },
    })
    expect(report).toEqual({ confirmed: true, finished: true, deregistered: true })
    expect(seen).toEqual({ endpoints: 0, registered: registration.id })
    await eventually(async () => (await health(agent, name)).length === 0, { what: 'no instance' })
  })
})

describe('what is refused here would be refused there', () => {
  const bad: readonly (readonly [string, object, object, RegExp])[] = [
    [
      'a key of meta with a blank',
      { meta: { 'a b': 'c' } },
      { Meta: { 'a b': 'c' } },
      /Key contains invalid characters/,
    ],
    ['a reserved key of meta', { meta: { 'consul-x': 'c' } }, { Meta: { 'consul-x': 'c' } }, /reserved/],
    [
      'a long value of meta',
      { meta: { key: 'v'.repeat(513) } },
      { Meta: { key: 'v'.repeat(513) } },
      /too long/,
    ],
    [
      'a long key of meta',
      { meta: { ['k'.repeat(129)]: 'v' } },
      { Meta: { ['k'.repeat(129)]: 'v' } },
      /Key is too long/,
    ],
    ['too much meta', { meta: many(65) }, { Meta: many(65) }, /cannot contain more than 64/],
    [
      'a weight of 0',
      { weights: { passing: 0 } },
      { Weights: { Passing: 0, Warning: 1 } },
      /Passing must be greater than 0/,
    ],
    [
      'a heavy weight',
      { weights: { passing: 65_536 } },
      { Weights: { Passing: 65_536, Warning: 1 } },
      /between 0 and 65535/,
    ],
    ['an invalid address', { address: '0.0.0.0' }, { Address: '0.0.0.0' }, /Invalid service address/],
    ['no name', { name: '' }, { Name: '' }, /Missing service name/],
    [
      'an interval of 0',
      { check: { kind: 'http', url: '/', intervalMs: 0 } },
      { Check: { HTTP: 'http://127.0.0.1/', Interval: '0s' } },
      /Interval must be > 0/,
    ],
    [
      'an unknown status',
      { check: { kind: 'tcp', initialStatus: 'fine' } },
      { Check: { TCP: '127.0.0.1:1', Interval: '1s', Status: 'fine' } },
      /Status for checks must/,
    ],
  ]

  test.for(bad)('%s', async ([, ours, theirs, says], { start }) => {
    const name = uniqueService('orders')
    expect(() => start({ name, ...ours })).toThrow(/: it must be /)
    const body = JSON.stringify({ Name: name, ID: name, Port: 1, ...theirs })
    const response = await fetch(`${agent}/v1/agent/service/register`, { method: 'PUT', body })
    expect(await response.text()).toMatch(says)
    expect(response.status).toBe(400)
  })

  test.for<readonly [string, object]>([
    ['meta to its limit, of which one pair is ours', { meta: many(63) }],
    ['a long key and a long value', { meta: { ['k'.repeat(128)]: 'v'.repeat(512) } }],
    ['heavy weights', { weights: { passing: 65_535, warning: 65_535 } }],
    ['an odd id', { id: 'a-very.odd:id_~@ü+' }],
    ['the shortest time to be critical', { deregisterCriticalServiceAfterMs: 60_000 }],
  ])('and what is taken here is taken there: %s', async ([, ours], { start }) => {
    const registration = start({ name: uniqueService('orders'), ...ours })
    await registration.ready({ timeoutMs: 5000 })
    registration.report('warning')
    await entryOf(registration.service, (entry) => statusesOf(entry)[0] === 'warning')
    expect(await registration.deregister()).toBe(true)
  })
})

function many(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, 'v']))
}
