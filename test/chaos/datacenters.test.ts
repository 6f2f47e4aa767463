import { createClient } from '@fairlead/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answerLater, loadOn } from '../support/client-load.js'
import { startDatacenters, type Datacenters } from '../support/consul/datacenters.js'
import { register, uniqueService } from '../support/consul/registry.js'
import { ask } from '../support/consul/agent-access.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

let datacenters: Datacenters
let servers: readonly [HttpServer, HttpServer, HttpServer]

beforeAll(async () => {
  datacenters = await startDatacenters()
  servers = await Promise.all([
    startHttpServer(answerLater),
    startHttpServer(answerLater),
    startHttpServer(answerLater),
  ])
})
afterAll(async () => {
  await datacenters[Symbol.asyncDispose]()
  await Promise.all(servers.map((server) => server[Symbol.asyncDispose]()))
})

describe('two datacenters', () => {
  test('dc2 takes over what dc1 cannot carry, and no request fails', async () => {
    const { dc1, dc2 } = datacenters
    const name = uniqueService('orders')
    const add = (agent: typeof dc1, id: string, port: number, more: object = {}): Promise<void> =>
      register(agent, { id: `${name}-${id}`, name, address: '127.0.0.1', port, ...more })
    const check = (id: string): object => ({
      check: { CheckID: `${name}-${id}`, TTL: '60s', Status: 'passing' },
    })
    const report = (id: string, status: 'pass' | 'fail'): Promise<string> =>
      ask(dc1, `agent/check/${status}/${name}-${id}`, { method: 'PUT' })
    await add(dc1, 'one', servers[0].port, check('one'))
    await add(dc1, 'two', servers[1].port, check('two'))
    // Another address for those who come from elsewhere; the plain one leads nowhere.
    const wan = { Address: '127.0.0.1', Port: servers[2].port }
    await ask(dc2, 'agent/service/register', {
      method: 'PUT',
      body: {
        ID: `${name}-three`,
        Name: name,
        Address: '127.0.0.1',
        Port: 1,
        TaggedAddresses: { wan },
      },
    })
    await using client = createClient(name, {
      consul: { address: dc1.address, failover: [{ datacenter: 'dc2' }] },
      logger: quiet,
    })
    await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })
    expect(client.inspect().endpoints.find(({ priority }) => priority === 1)).toMatchObject({
      origin: servers[2].origin,
      datacenter: 'dc2',
    })
    const load = loadOn(client)
    try {
      const counts = (): number[] => servers.map(({ requests }) => requests)
      await eventually(() => load.succeeded > 300, { what: 'load' })
      expect(counts()[2]).toBe(0)

      await report('one', 'fail')
      await eventually(() => client.inspect().endpoints.length === 2, { what: 'half of dc1' })
      await eventually(() => servers[2].requests > 100, { what: 'load on dc2' })
      await report('two', 'fail')
      await eventually(() => client.inspect().endpoints.length === 1, { what: 'dc2 alone' })

      // All of dc1 is down, and now Consul in dc2 as well: what was known of it serves on.
      await dc2.kill()
      await eventually(() => client.inspect().excluded.some(({ key }) => key === `${name} in dc2`), {
        what: 'a note that dc2 cannot be asked',
      })
      const before = servers[2].requests
      await eventually(() => servers[2].requests > before + 200, { what: 'load on dc2 still' })

      await report('one', 'pass')
      await report('two', 'pass')
      await dc2.start()
      await datacenters.untilJoined()
      await eventually(() => client.inspect().endpoints.length === 3, {
        what: 'all of them',
        deadlineMs: 30_000,
      })
      await load.stop()
      expect(load.failures).toEqual([])
    } finally {
      await load.stop()
    }
  })

  test('one that is configured is queried, at the addresses that are meant for others', async () => {
    const { dc1, dc2 } = datacenters
    const name = uniqueService('orders')
    await register(dc2, { id: name, name, address: '127.0.0.1', port: servers[0].port })
    await using elsewhere = createClient(name, {
      consul: { address: dc1.address, datacenter: 'dc2' },
      logger: quiet,
    })
    await using here = createClient(name, { consul: { address: dc1.address }, logger: quiet })
    await eventually(() => elsewhere.inspect().endpoints.length === 1, { what: 'the endpoint' })
    expect(elsewhere.inspect().endpoints[0]?.key).toMatch(/^dc2:dc2\//)
    await here.ready()
    expect(here.inspect().endpoints).toEqual([])
  })
})
