import type { IncomingMessage, ServerResponse } from 'node:http'
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import { createClient, type BalancerName, type Client, type ClientOptions } from '@fairlead/sdk'
import { seededRandom } from '@fairlead/sdk/testing'
import { describe, expect, inject, test } from 'vitest'
import { startAgentProxy, type AgentProxy, type AgentQuery } from '../support/agent-proxy.js'
import { uniqueService, type HealthEntry } from '../support/consul/registry.js'
import { startConsul } from '../support/consul/start-consul.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

const agent = inject('consul').address

function clientOf(service: TestService | string, options: ClientOptions = {}): Client {
  const name = typeof service === 'string' ? service : service.name
  return createClient(name, { consul: { address: agent }, logger: quiet, ...options })
}

describe('weights', () => {
  const weights = [3, 2, 1] as const

  /** Requests that each of three instances got. */
  async function sharesOf(options: ClientOptions, requests: number, inFlight = 1): Promise<number[]> {
    await using service = new TestService(agent)
    // What a request costs is all alike, so that load gives no reason to leave the weights.
    const servers = await Promise.all(weights.map(() => startHttpServer(answerLater)))
    try {
      await Promise.all(
        servers.map(({ port }, index) =>
          service.add(String(index), { port, weights: { passing: weights[index] ?? 1, warning: 1 } }),
        ),
      )
      await using client = clientOf(service, options)
      await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
      await Promise.all(
        Array.from({ length: inFlight }, async (_, caller) => {
          for (let request = caller; request < requests; request += inFlight) await ask(client)
        }),
      )
      return servers.map((server) => server.requests)
    } finally {
      await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
    }
  }

  test('weighted_round_robin follows them exactly over every cycle', async () => {
    expect(await sharesOf({ balancer: 'weighted_round_robin' }, 6)).toEqual([3, 2, 1])
    expect(await sharesOf({ balancer: 'weighted_round_robin' }, 300, 16)).toEqual([150, 100, 50])
  })

  test('round_robin takes no notice of them', async () => {
    expect(await sharesOf({ balancer: 'round_robin' }, 300, 16)).toEqual([100, 100, 100])
  })

  // Of a policy that looks at load as well, the tolerance is what the load of a busy machine may move. Where it stands
  // still, a peak of ten seconds is all that peak_ewma sees of these servers, but not each time.
  test.for<[BalancerName, number, number, number]>([
    ['least_connections', 1, 0.01, 1],
    ['least_connections', 16, 0.05, 1],
    ['least_request', 1, 0.05, 1],
    ['least_request', 16, 0.1, 1],
    ['peak_ewma', 16, 0.12, 5],
  ])('%s follows them, %i in flight, within %f', async ([balancer, inFlight, tolerance, attempts]) => {
    const requests = 600
    const tried: (readonly number[])[] = []
    const isOff = (shares: readonly number[]): boolean =>
      shares.some((share, index) => Math.abs(share / requests - (weights[index] ?? 0) / 6) > tolerance)
    do tried.push(await sharesOf({ balancer, random: seededRandom(1) }, requests, inFlight))
    while (tried.every(isOff) && tried.length < attempts)
    expect(tried.every(isOff), tried.join(' ')).toBe(false)
  })

  test('a change of weight changes the shares', async () => {
    await using service = new TestService(agent)
    await using one = await startHttpServer()
    await using other = await startHttpServer()
    await service.add('one', { port: one.port, weights: { passing: 1, warning: 1 } })
    await service.add('other', { port: other.port, weights: { passing: 1, warning: 1 } })
    await using client = clientOf(service, { balancer: 'weighted_round_robin' })
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
    await service.add('one', { port: one.port, weights: { passing: 9, warning: 1 } })
    await eventually(() => weightsOf(client)[one.origin] === 9, { what: 'the new weight' })
    for (let request = 0; request < 100; request++) await ask(client)
    expect([one.requests, other.requests]).toEqual([90, 10])
  })

  test('a warning check brings the weight for warning', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer()
    const check = { CheckID: service.checkId('a'), TTL: '60s', Status: 'passing' } as const
    await service.add('a', { port: server.port, weights: { passing: 10, warning: 3 }, check })
    await using client = clientOf(service)
    await eventually(() => weightsOf(client)[server.origin] === 10, { what: 'the weight for passing' })
    await service.report('a', 'warn')
    await eventually(() => weightsOf(client)[server.origin] === 3, { what: 'the weight for warning' })
    await ask(client)
    await service.report('a', 'pass')
    await eventually(() => weightsOf(client)[server.origin] === 10, { what: 'the weight for passing again' })
  })

  test('weight 0 serves only where there is nothing else', async () => {
    await using service = new TestService(agent)
    await using healthy = await startHttpServer()
    await using warning = await startHttpServer()
    await service.add('healthy', { port: healthy.port })
    const check = { CheckID: service.checkId('warning'), TTL: '60s', Status: 'warning' } as const
    await service.add('warning', { port: warning.port, weights: { passing: 5, warning: 0 }, check })
    await using client = clientOf(service)
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
    expect(weightsOf(client)).toEqual({ [healthy.origin]: 1, [warning.origin]: 0 })
    for (let request = 0; request < 50; request++) await ask(client)
    expect([healthy.requests, warning.requests]).toEqual([50, 0])

    await service.remove('healthy')
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'one endpoint' })
    for (let request = 0; request < 10; request++) await ask(client)
    expect([healthy.requests, warning.requests]).toEqual([50, 10])
  })
})

describe('what is excluded', () => {
  test('a service in maintenance is out, and back after it', async () => {
    await using service = new TestService(agent)
    await using first = await startHttpServer()
    await using second = await startHttpServer()
    await service.add('first', { port: first.port })
    await service.add('second', { port: second.port })
    await using client = clientOf(service)
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })

    await service.maintain('first', true)
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'one endpoint' })
    expect(originsOf(client)).toEqual([second.origin])
    expect(client.inspect().excluded).toMatchObject([{ reason: 'maintenance' }])
    for (let request = 0; request < 10; request++) await ask(client)
    expect([first.requests, second.requests]).toEqual([0, 10])

    await service.maintain('first', false)
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'both again' })
    expect(client.inspect().excluded).toEqual([])
  })

  test('a node in maintenance takes all its services out', async () => {
    // An agent of our own: of a shared one every service would go.
    await using consul = await startConsul({ kinds: ['container', 'process'] })
    await using service = new TestService(consul.address)
    await using server = await startHttpServer()
    await using second = await startHttpServer()
    await service.add('a', { port: server.port })
    await service.add('b', { port: second.port })
    await using client = clientOf(service, { consul: { address: consul.address } })
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })

    await nodeMaintenance(consul.address, true)
    await eventually(() => client.inspect().endpoints.length === 0, { what: 'no endpoint' })
    expect(client.inspect().excluded.map(({ reason }) => reason)).toEqual(['maintenance', 'maintenance'])
    await expect(client.request({ path: '/' })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: expect.stringMatching(/knows 2, none of them usable: .*\(maintenance\)/) as string,
    })

    await nodeMaintenance(consul.address, false)
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'both again' })
    await ask(client)
  })

  test('a critical check leaves it out, and NO_ENDPOINTS says so', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer()
    const check = { CheckID: service.checkId('a'), TTL: '60s', Status: 'passing' } as const
    await service.add('a', { port: server.port, check })
    await using client = clientOf(service)
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'one endpoint' })
    await ask(client)

    await service.report('a', 'fail')
    await eventually(() => client.inspect().endpoints.length === 0, { what: 'no endpoint' })
    await expect(client.request({ path: '/' })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      service: service.name,
      message: expect.stringMatching(
        new RegExp(`${agent} knows 1, none of them usable: .*127.0.0.1:${server.port} \\(critical\\)$`),
      ) as string,
    })

    await service.report('a', 'pass')
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'it again' })
    await ask(client)
  })

  test('an instance with port 0 is excluded with a reason, and the others serve', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer()
    await service.add('whole', { port: server.port })
    await service.add('portless', { port: 0 })
    await using client = clientOf(service)
    await client.ready()
    expect(originsOf(client)).toEqual([server.origin])
    const { excluded } = client.inspect()
    expect(excluded).toEqual([
      {
        key: expect.stringMatching(/portless@127.0.0.1:0$/) as string,
        reason: 'has port 0; register it with a port from 1 to 65535',
        kind: 'unusable',
        priority: 0,
      },
    ])
    await ask(client)
  })

  test('what speaks Connect itself is one of the others, unless the filter says otherwise', async () => {
    await using service = new TestService(agent)
    await service.add('plain', { port: 8080 })
    await service.add('native', { port: 8081, native: true })
    await using everyone = clientOf(service)
    await everyone.ready()
    expect(originsOf(everyone)).toEqual(['http://127.0.0.1:8081', 'http://127.0.0.1:8080'])
    const filter = 'Service.Connect.Native != true'
    await using outsider = clientOf(service, { consul: { address: agent, filter } })
    await outsider.ready()
    expect(originsOf(outsider)).toEqual(['http://127.0.0.1:8080'])
  })

  test('those sorted by distance come, and what changes among them is followed', async () => {
    await using service = new TestService(agent)
    await service.add('a', { port: 8080 })
    await using client = clientOf(service, { consul: { address: agent, near: '_agent' } })
    await client.ready()
    expect(originsOf(client)).toEqual(['http://127.0.0.1:8080'])
    await service.add('b', { port: 8081 })
    await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
  })

  test('what is deregistered is gone, and requests in flight on it finish', async () => {
    await using service = new TestService(agent)
    let release = (): void => undefined
    await using server = await startHttpServer((_request, response) => {
      response.write('first ')
      release = () => response.end('last')
    })
    await service.add('a', { port: server.port })
    await using client = clientOf(service)
    const { body } = await client.request({ path: '/' })
    await service.remove('a')
    await eventually(() => client.inspect().endpoints.length === 0, { what: 'no endpoint' })
    await expect(client.request({ path: '/' })).rejects.toMatchObject({ code: 'NO_ENDPOINTS' })
    release()
    expect(await body.text()).toBe('first last')
  })

  test('an unknown service is refused at once, saying that Consul knows none', async () => {
    const name = uniqueService('unknown')
    await using client = clientOf(name)
    const askedAt = performance.now()
    await expect(client.request({ path: '/' })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      service: name,
      // An agent of 1.8 does not say whether a token would have shown more.
      message: expect.stringMatching(
        new RegExp(
          `^${name} has no endpoint: Consul at ${agent} knows no instance of that name( \\(no token|$)`,
        ),
      ) as string,
    })
    // At once: it does not wait for one to appear, which would be the client's 30 s.
    expect(performance.now() - askedAt).toBeLessThan(5000)
    await client.ready()
    expect(client.inspect()).toMatchObject({ freshness: 'fresh', endpoints: [], excluded: [] })
  })

  test('an instance that appears later serves', async () => {
    await using service = new TestService(agent)
    await using server = await startHttpServer()
    await using client = clientOf(service)
    await client.ready()
    expect(originsOf(client)).toEqual([])
    await service.add('a', { port: server.port })
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'one endpoint' })
    await ask(client)
  })
})

describe('addresses', () => {
  test.for([
    ['IPv6', '::1', (port: number) => `http://[::1]:${port}`],
    ['a host name', 'localhost', (port: number) => `http://localhost:${port}`],
  ] as const)('%s', async ([, host, originOf]) => {
    await using service = new TestService(agent)
    await using server = await startHttpServer(undefined, host)
    await service.add('a', { port: server.port, address: host })
    await using client = clientOf(service)
    await ask(client)
    expect(server.requests).toBe(1)
    expect(originsOf(client)).toEqual([originOf(server.port)])
  })

  test('none of its own: that of its node', async () => {
    await using consul = await startConsul({ kinds: ['container', 'process'] })
    await using service = new TestService(consul.address)
    await using server = await startHttpServer()
    await service.add('a', { port: server.port, address: '' })
    await using client = clientOf(service, { consul: { address: consul.address } })
    await ask(client)
    expect(originsOf(client)).toEqual([server.origin])
  })
})

describe('what it asks of the agent', () => {
  test('two clients of one process share one watch', async () => {
    await using proxy = await startAgentProxy(agent)
    await using service = new TestService(agent)
    await service.add('a', { port: 1 })
    const consul = { address: proxy.address, waitMs: 60_000 }
    await using first = clientOf(service, { consul })
    await using second = clientOf(service, { consul, balancer: 'round_robin' })
    await Promise.all([first.ready(), second.ready()])
    await service.add('b', { port: 2 })
    for (const client of [first, second]) {
      await eventually(() => client.inspect().endpoints.length === 2, { what: 'both instances' })
    }
    await eventually(() => healthQueries(proxy).at(-1)?.answeredAt === undefined, { what: 'the next query' })
    // One that does not block, and then one at a time, each with the index of the answer before.
    expect(healthQueries(proxy).filter(({ path }) => !path.includes('index='))).toHaveLength(1)
    expect(healthQueries(proxy).filter(({ answeredAt }) => answeredAt === undefined)).toHaveLength(1)

    // The one that stays goes on with the same watch.
    await first.close()
    await service.remove('b')
    await eventually(() => second.inspect().endpoints.length === 1, { what: 'one instance' })
    expect(healthQueries(proxy).filter(({ path }) => !path.includes('index='))).toHaveLength(1)
  })

  test('an idle service costs one query per wait, and one more where a stream has to be confirmed', async () => {
    const streams = await answersFromStreams(agent)
    await using proxy = await startAgentProxy(agent)
    await using service = new TestService(agent)
    await service.add('a', { port: 1 })
    await using client = clientOf(service, { consul: { address: proxy.address, waitMs: 1000 } })
    await client.ready()
    // One full wait, and the agent may have been stirred no more by the registration.
    await eventually(() => healthQueries(proxy).some(heldFor(1000)), { what: 'a first wait' })
    const before = healthQueries(proxy).length
    const from = performance.now()
    await delay(4000)
    const elapsed = performance.now() - from
    const all = healthQueries(proxy).slice(before)
    const during = all.filter(({ path }) => path.includes('index='))
    expect(all.length - during.length).toBeLessThanOrEqual(streams ? during.length : 0)
    // The agent adds up to a sixteenth to each wait; the machine may add more, and nothing takes away.
    expect(during.length).toBeLessThanOrEqual(Math.ceil(elapsed / 1000))
    expect(during.length).toBeGreaterThanOrEqual(2)
    expect(during.every(({ path }) => /index=\d+&wait=1000ms$/.test(path))).toBe(true)
    expect(during.filter(({ answeredAt }) => answeredAt !== undefined).every(heldFor(1000))).toBe(true)
    expect(client.inspect().freshness).toBe('fresh')
  })

  test('a service that flaps is queried five times, and then four times a second', async () => {
    await using proxy = await startAgentProxy(agent)
    await using service = new TestService(agent)
    await service.add('a', { port: 1, weights: { passing: 1, warning: 1 } })
    await using client = clientOf(service, { consul: { address: proxy.address } })
    await client.ready()
    const before = healthQueries(proxy).length
    const from = performance.now()
    let changes = 0
    // More than it could bear to ask for.
    while (performance.now() - from < 4000 || changes <= 50) {
      await service.add('a', { port: 1, weights: { passing: 2 + (changes++ % 100), warning: 1 } })
    }
    const seconds = (performance.now() - from) / 1000
    const asked = healthQueries(proxy).length - before
    expect(asked).toBeLessThanOrEqual(5 + 4 * seconds + 1)
    expect(asked).toBeGreaterThan(10)
    // The last change is not lost for all that.
    await service.add('a', { port: 1, weights: { passing: 1000, warning: 1 } })
    await eventually(() => client.inspect().endpoints[0]?.weight === 1000, { what: 'the last change' })
  })

  test('a change reaches the picker within 100 ms of the answer', async () => {
    await using proxy = await startAgentProxy(agent)
    await using service = new TestService(agent)
    await service.add('a', { port: 1, weights: { passing: 1, warning: 1 } })
    await using client = clientOf(service, { consul: { address: proxy.address } })
    await eventually(() => client.inspect().endpoints.length === 1, { what: 'the endpoint' })
    const latencies: number[] = []
    for (let weight = 2; weight <= 8; weight++) {
      const seen = (async () => {
        while (client.inspect().endpoints[0]?.weight !== weight) await nextTurn()
        return performance.now()
      })()
      await service.add('a', { port: 1, weights: { passing: weight, warning: 1 } })
      const seenAt = await seen
      const answer = proxy.queries.find(({ body }) => body !== '' && weightIn(body) === weight)
      expect(answer?.answeredAt).toBeLessThanOrEqual(seenAt)
      latencies.push(seenAt - (answer?.answeredAt ?? 0))
    }
    // The median: a machine may stand still for longer than that.
    expect(latencies.sort((a, b) => a - b)[3], latencies.join(' ')).toBeLessThan(100)
  })
})

async function ask(client: Client): Promise<void> {
  const { statusCode, body } = await client.request({ path: '/' })
  await body.dump()
  expect(statusCode).toBe(200)
}

function answerLater(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  setTimeout(() => response.end('ok'), 3)
}

function originsOf(client: Client): string[] {
  return client.inspect().endpoints.map(({ origin }) => origin)
}

function weightsOf(client: Client): Record<string, number> {
  return Object.fromEntries(client.inspect().endpoints.map(({ origin, weight }) => [origin, weight]))
}

/** Without the one query for service-resolvers that all services share. */
function healthQueries({ queries }: AgentProxy): readonly AgentQuery[] {
  return queries.filter(({ path }) => path.startsWith('/v1/health/'))
}

function heldFor(leastMs: number): (query: AgentQuery) => boolean {
  return ({ askedAt, answeredAt = 0 }) => answeredAt - askedAt >= leastMs
}

function weightIn(body: string): number | undefined {
  const entries = JSON.parse(body) as readonly HealthEntry[]
  return entries[0]?.Service.Weights.Passing
}

async function nodeMaintenance(address: string, on: boolean): Promise<void> {
  const response = await fetch(`${address}/v1/agent/maintenance?enable=${String(on)}`, { method: 'PUT' })
  expect(response.status).toBe(200)
}

/** Consul 1.10 and newer answer blocking queries from a stream, unless that is turned off. */
async function answersFromStreams(address: string): Promise<boolean> {
  const response = await fetch(`${address}/v1/health/service/consul?index=1&wait=1s`)
  await response.arrayBuffer()
  return response.headers.get('x-consul-query-backend') === 'streaming'
}
