import { expect, test } from 'vitest'
import { afterwards, serve } from './client.test.support.js'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import type { ClientOptions } from './client-options.js'
import { nextTurn } from './clock.js'
import type { Instance } from './discovery/resolver.js'
import { FakeConsul, FakeResolver, healthEntry, instanceAt, refuse } from './testing/index.js'
import { until } from './test-support/until.test.support.js'

// Several things at once, seen from outside: what each does alone is tested where it is.

const ignore = (): void => undefined
const silent = { info: ignore, warn: ignore, error: ignore }

function client(options: ClientOptions): Client {
  const made = createClient('orders', { logger: silent, ...options })
  afterwards(() => made.dispatcher.destroy())
  return made
}

/** The origins of a client's endpoints. */
function originsOf(orders: Client): readonly string[] {
  return orders.inspect().endpoints.map(({ origin }) => origin)
}

async function consul(): Promise<FakeConsul> {
  const agent = await FakeConsul.start()
  afterwards(() => agent.close())
  return agent
}

const many = (host: string): readonly Instance[] =>
  Array.from({ length: 1000 }, (_, index) => instanceAt(`http://${host}:${index + 1}`))
const hostsOf = (origins: readonly string[]): string =>
  [...new Set(origins.map((origin) => new URL(origin).hostname))].sort().join()

// A set of a thousand is taken in over several turns of the event loop: the next one comes before, during and after that.
test.each([1, 2, 3, 4, 5, 6, 8, 10])(
  'of two large sets, %i turns apart, the last one counts, and none is mixed with another',
  async (turns) => {
    const resolver = new FakeResolver()
    const orders = client({ resolver, removal: false })
    resolver.snapshot(many('10.0.0.1'))
    await orders.ready()
    const announced: string[] = []
    orders.onDiscovery(({ instances, added, removed }) =>
      announced.push(
        [instances, added, removed].map((some) => hostsOf(some.map(({ origin }) => origin))).join(' '),
      ),
    )
    resolver.snapshot(many('10.0.0.2'))
    for (let turn = 0; turn < turns; turn++) await nextTurn()
    resolver.snapshot(many('10.0.0.3'))
    const seen = new Set<string>()
    await until(() => {
      seen.add(`${hostsOf(originsOf(orders))} x ${originsOf(orders).length}`)
      return announced.at(-1)?.startsWith('10.0.0.3') === true
    })
    expect(originsOf(orders)).toEqual(many('10.0.0.3').map(({ origin }) => origin))
    for (const one of seen) expect(one).toMatch(/^10\.0\.0\.[123] x 1000$/)
    // The second may have been superseded before it was taken in.
    expect(announced).toEqual(
      announced.length === 1
        ? ['10.0.0.3 10.0.0.3 10.0.0.1']
        : ['10.0.0.2 10.0.0.2 10.0.0.1', '10.0.0.3 10.0.0.3 10.0.0.2'],
    )
  },
)

test('a client that is made in an outage serves the set that another one knows, and knows that it is stale', async () => {
  const origin = await serve((_, response) => response.end('ok'))
  const resolver = new FakeResolver()
  const first = client({ resolver })
  resolver.snapshot([instanceAt(origin)])
  await first.ready()
  resolver.stale(new Error('the agent is away'))
  await until(() => first.inspect().freshness === 'stale')

  const second = client({ resolver })
  await second.ready()
  const { statusCode, body } = await second.request({ path: '/' })
  expect([statusCode, await body.text()]).toEqual([200, 'ok'])
  await until(() => second.inspect().freshness === 'stale')
  expect(originsOf(second)).toEqual([origin])
  expect(resolver.watching).toBe(1)

  resolver.snapshot([instanceAt(origin)])
  await until(() => [first, second].every((one) => one.inspect().freshness === 'fresh'))
  const third = client({ resolver })
  await third.ready()
  expect(third.inspect().freshness).toBe('fresh')
})

test('the same with an agent: one watch, and the outage ends for both', async () => {
  const agent = await consul()
  const origin = await serve((_, response) => response.end('ok'))
  const { hostname, port } = new URL(origin)
  const health = [healthEntry(Number(port), { service: { Address: hostname } })]
  agent.serve('orders', health)
  const options: ClientOptions = { consul: { address: agent.address } }
  const first = client(options)
  await first.ready()
  await until(() => agent.holds('orders'))
  // What ends the held query is a failure, and so are the next answers.
  agent.script(...Array.from({ length: 3 }, () => refuse(500, 'No cluster leader')))
  agent.serve('orders', health)
  await until(() => first.inspect().freshness === 'stale')
  const second = client(options)
  await second.ready()
  expect(originsOf(second)).toEqual([origin])
  await until(() => [first, second].every((one) => one.inspect().freshness === 'fresh'))
  expect(agent.pending).toBeLessThanOrEqual(2)
})
