import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { balancers } from './balance/balancers.js'
import type { Balancer } from './balance/picker.js'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import { fixedResolver } from './discovery/fixed-resolver.js'
import type { KeyHash } from './hashing/key-hash.js'
import type { ClientOptions } from './client-options.js'
import type { ClientRequestOptions } from './call/request-options.js'
import { FakeResolver, instanceAt, keyHash } from './testing/index.js'

const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A server that answers with its own name and the headers it got. */
async function serve(): Promise<string> {
  const server = createServer((request, response) => {
    response.end(JSON.stringify({ server: port, headers: request.headers }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  cleanups.push(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return `http://127.0.0.1:${port}`
}

function client(origins: readonly string[], options: ClientOptions): Client {
  const orders = createClient('orders', { resolver: fixedResolver(origins), logger: silent, ...options })
  cleanups.push(() => orders.dispatcher.destroy())
  return orders
}

interface Answer {
  readonly server: number
  readonly headers: IncomingHttpHeaders
}

async function ask(
  orders: Client,
  options: Omit<ClientRequestOptions, 'path'> & { path?: string },
): Promise<Answer> {
  const { body } = await orders.request({ path: '/', ...options })
  return (await body.json()) as Answer
}

const five = (): Promise<string[]> => Promise.all([serve(), serve(), serve(), serve(), serve()])
// Ports differ in each run, and so do the servers of users: that one of five or six has none is one run in 10^8.
const users = Array.from({ length: 100 }, (_, index) => `user-${index}`)

describe.each(['ring_hash', 'maglev', 'rendezvous'] as const)('%s', (balancer) => {
  test('sends requests of one user to one instance, and users to all of them', async () => {
    const orders = client(await five(), { balancer, hashOn: [{ header: 'X-User' }] })
    const servers = new Map<string, number>()
    for (const user of users) servers.set(user, (await ask(orders, { headers: { 'x-user': user } })).server)
    expect(new Set(servers.values()).size).toBe(5)
    for (const user of users) {
      expect((await ask(orders, { headers: ['X-USER', user] })).server).toBe(servers.get(user))
      const response = await orders.fetch('/', { headers: { 'X-User': user } })
      expect(((await response.json()) as Answer).server).toBe(servers.get(user))
    }
  })

  test('goes by the key of a request before all, in every client', async () => {
    const origins = await five()
    const orders = client(origins, { balancer, hashOn: [{ header: 'x-user' }] })
    const others = client([...origins].reverse(), { balancer })
    for (const [index, hashKey] of users.entries()) {
      const { server } = await ask(others, { hashKey })
      expect((await ask(orders, { hashKey, headers: { 'x-user': `${index % 3}` } })).server).toBe(server)
    }
  })

  test('spreads requests without a key over all instances', async () => {
    const orders = client(await five(), { balancer, hashOn: [{ cookie: 'sid' }] })
    for (let n = 0; n < 100; n++) await ask(orders, { headers: { cookie: 'other=1' } })
    expect(Math.min(...orders.inspect().endpoints.map(({ requests }) => requests))).toBeGreaterThan(0)
  })

  test('sends the users of an instance that died to others, each always to the same', async () => {
    const origins = await five()
    const dead = 'http://127.0.0.1:1'
    const options: ClientOptions = { balancer, breaker: false, retry: { budgetMinPerSecond: 1000 } }
    const orders = client([...origins, dead], options)
    const servers = new Map<string, number>()
    for (const hashKey of users) servers.set(hashKey, (await ask(orders, { hashKey })).server)
    const { endpoints } = orders.inspect()
    expect(endpoints.find(({ origin }) => origin === dead)?.failures).toBeGreaterThan(0)
    const again = client([dead, ...origins], options)
    for (const hashKey of users) expect((await ask(again, { hashKey })).server).toBe(servers.get(hashKey))
  })
})

test('headers that can be read once are hashed and sent, on every attempt', async () => {
  const orders = client([await serve(), 'http://127.0.0.1:1'], {
    balancer: 'maglev',
    hashOn: [{ header: 'x-user' }],
    breaker: false,
  })
  function* headers(user: string): Generator<[string, string | string[]]> {
    yield ['x-user', user]
    yield ['x-several', ['1', '2']]
  }
  for (const user of users) {
    const answer = await ask(orders, { headers: headers(user) as Iterable<[string, string]> })
    expect(answer.headers).toMatchObject({ 'x-user': user, 'x-several': '1, 2' })
  }
  // Some of them are known to have been to the dead one first.
  expect(orders.inspect().endpoints.find(({ origin }) => origin.endsWith(':1'))?.failures).toBeGreaterThan(0)
})

/** Headers that count how often they are read. */
class CountedHeaders {
  reads = 0;

  *[Symbol.iterator](): Generator<[string, string]> {
    this.reads++
    yield ['x-user', 'ann']
  }
}

describe("what Consul's service-resolver says", () => {
  const loadBalancer = {
    policy: 'ring_hash',
    hashPolicies: [{ field: 'header', name: 'x-user', terminal: false }],
  } as const

  /** The hash of a request of `ann`, as a balancer sees it that is given to the client. */
  async function hashOfAnn(options: ClientOptions): Promise<KeyHash | undefined> {
    const origin = await serve()
    const resolver = new FakeResolver()
    resolver.snapshot([instanceAt(origin)], { policy: { loadBalancer } })
    let seen: KeyHash | undefined
    const balancer: Balancer = (endpoints) => ({
      pick: ({ hash }) => {
        seen = hash && { high: hash.high, low: hash.low }
        return endpoints[0]
      },
    })
    await ask(client([], { resolver, balancer, ...options }), {
      headers: { 'x-user': 'ann' },
      caller: { address: '10.0.0.7' },
    })
    return seen
  }

  test('of keys counts also where the client was given a balancer', async () => {
    expect(await hashOfAnn({})).toEqual(keyHash('ann'))
  })

  test('of keys does not count where the client was given its own', async () => {
    expect(await hashOfAnn({ hashOn: [{ sourceIp: true }] })).toEqual(keyHash('10.0.0.7'))
    expect(await hashOfAnn({ hashOn: [{ cookie: 'none' }] })).toBeUndefined()
  })
})

test('a balancer that is not known is said once, and only where it would have been used', async () => {
  const loadBalancer = { policy: 'newest', hashPolicies: [] }
  for (const [options, warnings] of [
    [{}, 1],
    [{ balancer: 'maglev' }, 0],
  ] as const) {
    const logged: string[] = []
    const log = (_: object, message: string): void => void logged.push(message)
    const resolver = new FakeResolver()
    resolver.snapshot([instanceAt(await serve())], { policy: { loadBalancer } })
    const logger = { info: log, warn: log, error: log }
    const orders = client([], { resolver, logger, ...options })
    for (let n = 0; n < 3; n++) await ask(orders, { hashKey: 'ann' })
    expect(logged.filter((message) => message.includes('is not supported'))).toHaveLength(warnings)
  }
})

describe('the hash is computed', () => {
  // Reads the hash, and hands a request to each endpoint in turn.
  const seen: (KeyHash | undefined)[] = []
  const reading: Balancer = (endpoints) => ({
    pick: (context) => {
      const { hash, tried } = context
      seen.push(hash && { high: hash.high, low: hash.low })
      return endpoints[tried.length]
    },
  })

  test('not at all for a balancer that does not ask', async () => {
    const headers = new CountedHeaders()
    let addresses = 0
    const caller = {
      get address(): string {
        addresses++
        return '10.0.0.7'
      },
    }
    for (const balancer of Object.keys(balancers) as (keyof typeof balancers)[]) {
      if (balancer === 'ring_hash' || balancer === 'maglev' || balancer === 'rendezvous') continue
      const hashOn = [{ header: 'x-user' }, { sourceIp: true }] as const
      const orders = client([await serve()], { balancer, hashOn })
      headers.reads = 0
      await ask(orders, { headers, caller })
      // Once to send them.
      expect([balancer, headers.reads, addresses]).toEqual([balancer, 1, 0])
    }
  })

  test('once for all attempts, also when every endpoint has been tried', async () => {
    const headers = new CountedHeaders()
    const orders = client(['http://127.0.0.1:1', 'http://127.0.0.1:2'], {
      // The third attempt finds none that is not tried, and starts anew.
      balancer: reading,
      hashOn: [{ header: 'x-user' }],
      breaker: false,
      retry: { attempts: 3 },
    })
    await expect(ask(orders, { headers })).rejects.toMatchObject({ code: 'ATTEMPTS_EXHAUSTED' })
    // Three attempts; and picks that found nothing, or what had been tried, before the pause for the last of them and at the
    // end.
    expect(seen).toEqual(Array.from({ length: 7 }, () => keyHash('ann')))
    expect(headers.reads).toBeLessThanOrEqual(1 + 3)
  })
})
