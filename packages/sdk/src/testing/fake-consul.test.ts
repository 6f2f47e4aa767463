import { afterEach, describe, expect, test } from 'vitest'
import {
  addressesTranslated,
  answer,
  cutOff,
  delayed,
  discoveryChain,
  FakeConsul,
  filteredByAcls,
  healthCheck,
  healthEntry,
  hold,
  ManualClock,
  noClusterLeader,
  noLeader,
  refuse,
  withoutContact,
} from './index.js'
import { until } from '../test-support/until.test.support.js'

const one = [healthEntry(1)]
const two = [healthEntry(1), healthEntry(2)]

let agent: FakeConsul

afterEach(() => agent.close())

interface Answered {
  readonly status: number
  readonly index: number | undefined
  readonly body: unknown
  readonly headers: Headers
}

async function ask(path: string, init: RequestInit = {}): Promise<Answered> {
  const response = await fetch(`${agent.address}/v1/${path}`, init)
  const text = await response.text()
  const index = response.headers.get('x-consul-index')
  return {
    status: response.status,
    index: index === null ? undefined : Number(index),
    body: response.ok ? (JSON.parse(text) as unknown) : text,
    headers: response.headers,
  }
}

const health = (query = '', service = 'orders'): Promise<Answered> =>
  ask(`health/service/${service}?${query}`)

describe('the catalogue', () => {
  test('answers as a real agent does', async () => {
    agent = await FakeConsul.start()
    expect(await health()).toMatchObject({ status: 200, index: 1, body: [] })
    agent.serve('orders', one)
    expect(await health()).toMatchObject({ index: 2, body: one })
    expect(await health('', 'payments')).toMatchObject({ index: 2, body: [] })
    expect(agent.index).toBe(2)
  })

  test('keeps an index for each service', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    agent.serve('payments', two)
    expect([(await health()).index, (await health('', 'payments')).index]).toEqual([2, 3])
  })

  test('holds a query until its service changes', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    const blocked = health('index=2&wait=1m')
    await until(() => agent.holds('orders'))
    agent.serve('payments', one)
    expect(agent.held).toBe(1)
    expect(agent.holds('payments')).toBe(false)
    agent.serve('orders', two)
    expect(await blocked).toMatchObject({ index: 4, body: two })
    await until(() => agent.pending === 0)
  })

  test('holds a query for a service that is not there until anything changes, as Consul does', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    const blocked = health('index=2', 'payments')
    await until(() => agent.holds('payments'))
    agent.serve('orders', two)
    expect(await blocked).toMatchObject({ index: 3, body: [] })
  })

  test.each([
    ['wait=2s', 2000],
    ['wait=1m30s', 90_000],
    ['', 300_000],
    ['wait=20m', 600_000],
  ])('holds a query as long as it says: %j', async (wait, waitMs) => {
    const clock = new ManualClock()
    agent = await FakeConsul.open({ clock })
    agent.serve('orders', one)
    const blocked = health(`index=99&${wait}`)
    await until(() => agent.held === 1)
    await clock.advance(waitMs - 1)
    expect(agent.held).toBe(1)
    await clock.advance(1)
    expect(await blocked).toMatchObject({ index: 2, body: one })
    expect(clock.pending).toBe(0)
  })

  test('a query that is cancelled is held no longer', async () => {
    const clock = new ManualClock()
    agent = await FakeConsul.open({ clock })
    const stop = new AbortController()
    const blocked = ask('health/service/orders?index=1', { signal: stop.signal })
    await until(() => clock.pending === 1)
    stop.abort()
    await expect(blocked).rejects.toThrow('abort')
    await until(() => clock.pending === 0 && agent.pending === 0)
  })

  test('understands tag, passing, dc and peer', async () => {
    agent = await FakeConsul.start()
    const tagged = healthEntry(1, { service: { Tags: ['a', 'b'] } })
    const sick = healthEntry(2, { service: { Tags: ['a'] }, checks: [healthCheck('warning')] })
    agent.serve('orders', [tagged, sick])
    agent.serve('orders', two, { datacenter: 'dc2' })
    agent.serve('orders', one, { peer: 'cloud' })
    expect((await health('tag=a')).body).toEqual([tagged, sick])
    expect((await health('tag=a&tag=b')).body).toEqual([tagged])
    expect((await health('passing')).body).toEqual([tagged])
    expect((await health('dc=dc1')).body).toEqual([tagged, sick])
    expect((await health('dc=dc2')).body).toEqual(two)
    expect((await health('peer=cloud')).body).toEqual(one)
    expect(await health('dc=dc3')).toMatchObject({ status: 500, index: 1, body: 'No path to datacenter' })
  })

  test('says how it was asked', async () => {
    agent = await FakeConsul.start()
    const said = async (query: string): Promise<string> => {
      const { headers } = await health(query)
      return ['effective-consistency', 'knownleader', 'lastcontact']
        .map((name) => headers.get(`x-consul-${name}`))
        .concat(headers.get('x-cache'), headers.get('age'))
        .join()
    }
    expect(await said('')).toBe('leader,true,0,,')
    expect(await said('stale')).toBe('stale,true,0,,')
    expect(await said('consistent')).toBe('consistent,true,0,,')
    expect(await said('cached')).toBe('leader,true,0,MISS,')
    expect(await said('stale&cached')).toBe('stale,true,0,HIT,0')
  })

  test.each([
    ['index=abc', 'Invalid index'],
    ['wait=abc', 'Invalid wait time'],
    ['cached&consistent', 'Cannot specify ?cached with ?consistent, conflicting semantics.'],
    ['stale&consistent', 'Cannot specify ?stale with ?consistent, conflicting semantics.'],
  ])('refuses %s', async (query, body) => {
    agent = await FakeConsul.start()
    expect(await health(query)).toMatchObject({ status: 400, body })
  })

  test('says of itself what it is told to', async () => {
    agent = await FakeConsul.start()
    const header = async (name: string): Promise<string | null> => (await health('cached')).headers.get(name)
    agent.say(noLeader)
    expect(await header('x-consul-knownleader')).toBe('false')
    agent.say(withoutContact(1500))
    expect(await header('x-consul-lastcontact')).toBe('1500')
    agent.say(cutOff(12_000))
    expect(await header('age')).toBe('12')
    agent.say(filteredByAcls)
    expect(await header('x-consul-results-filtered-by-acls')).toBe('true')
    agent.say(addressesTranslated)
    expect(await header('x-consul-translate-addresses')).toBe('true')
    agent.say({})
    expect(await header('x-consul-translate-addresses')).toBeNull()
  })

  test('a service may fail while others do not, and queries that wait hear of it', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    agent.serve('payments', two)
    const blocked = health('index=2')
    await until(() => agent.held === 1)
    agent.serve('orders', noClusterLeader())
    expect(await blocked).toMatchObject({ status: 500, body: 'No cluster leader' })
    expect(await health()).toMatchObject({ status: 500 })
    expect(await health('', 'payments')).toMatchObject({ body: two })
  })
})

describe('the streaming backend', () => {
  const said = async (query: string): Promise<string> => {
    const { headers } = await health(query)
    return ['query-backend', 'knownleader', 'default-acl-policy', 'results-filtered-by-acls']
      .map((name) => headers.get(`x-consul-${name}`))
      .concat(headers.get('age'))
      .join()
  }

  test('answers what blocks or is cached, and says of it what it always says', async () => {
    agent = await FakeConsul.open({ backend: 'streaming' })
    agent.serve('orders', one)
    expect(await said('')).toBe('blocking-query,true,allow,,')
    expect(await said('index=1')).toBe('streaming,false,allow,,')
    expect(await said('cached')).toBe('streaming,false,allow,,')
    expect(await said('cached')).toBe('streaming,false,allow,,0')
    expect(await said('index=1&near=_agent')).toBe('blocking-query,true,allow,,')
    agent.say({ ...filteredByAcls, ...cutOff(9000) })
    expect(await said('')).toBe('blocking-query,true,allow,true,9')
    expect(await said('index=1')).toBe('streaming,false,allow,,0')
  })

  test('leaves a port of 0 out, and holds what waits for a service that is not there', async () => {
    agent = await FakeConsul.open({ backend: 'streaming' })
    agent.serve('orders', [healthEntry(0)])
    expect((await health()).body).not.toHaveProperty('0.Service.Port')
    const blocked = health('index=2', 'payments')
    await until(() => agent.holds('payments'))
    agent.serve('orders', two)
    expect(agent.holds('payments')).toBe(true)
    agent.serve('payments', one)
    expect(await blocked).toMatchObject({ index: 4, body: one })
  })

  test('says nothing of an index or a leader with an error of its own', async () => {
    agent = await FakeConsul.open({ backend: 'streaming' })
    agent.serve('orders', noClusterLeader())
    const { headers } = await health('index=1')
    expect(headers.get('x-consul-default-acl-policy')).toBe('allow')
    expect([headers.get('x-consul-index'), headers.get('x-consul-knownleader')]).toEqual([null, null])
  })
})

describe('a script', () => {
  test('goes before the catalogue, step by step', async () => {
    agent = await FakeConsul.start(refuse(503, 'a'))
    agent.serve('orders', one)
    agent.script(delayed(1, answer(9, two)))
    expect(await health()).toMatchObject({ status: 503, body: 'a' })
    expect(await health()).toMatchObject({ index: 9, body: two })
    expect(await health()).toMatchObject({ index: 2, body: one })
  })

  test('without a catalogue ends in silence', async () => {
    agent = await FakeConsul.start(answer(1, one))
    await health()
    void health().catch(() => undefined)
    await until(() => agent.held === 1)
    expect(agent.queries.map(({ service }) => service)).toEqual(['orders', 'orders'])
  })
})

describe('other routes', () => {
  test('service-resolvers and chains', async () => {
    agent = await FakeConsul.start()
    expect(await ask('config/service-resolver')).toMatchObject({ index: 1, body: [] })
    const blocked = ask('config/service-resolver?index=1&wait=1m')
    await until(() => agent.held === 1)
    const chain = discoveryChain('orders', { target: { service: 'else' } })
    agent.configure('orders', chain)
    expect(await blocked).toMatchObject({ index: 2, body: [{ Kind: 'service-resolver', Name: 'orders' }] })
    expect((await ask('discovery-chain/orders', { method: 'POST', body: '{}' })).body).toEqual(chain)
    expect((await ask('discovery-chain/payments')).body).toEqual(discoveryChain('payments'))
    agent.configure('orders', undefined)
    expect(await ask('config/service-resolver')).toMatchObject({ index: 3, body: [] })
  })

  test('the agent itself, and what it does not know', async () => {
    agent = await FakeConsul.start()
    expect((await ask('agent/self')).body).toEqual({ Config: { Datacenter: 'dc1' } })
    expect(await ask('nope')).toMatchObject({ status: 404, body: '' })
  })

  test('what a test says of one, and then holds, until it takes it back', async () => {
    agent = await FakeConsul.start()
    agent.on('GET /v1/agent/self', refuse(403, 'Permission denied'))
    expect(await ask('agent/self')).toMatchObject({ status: 403 })
    void ask('agent/self').catch(() => undefined)
    await until(() => agent.held === 1)
    agent.off('GET /v1/agent/self')
    expect(await ask('agent/self')).toMatchObject({ status: 200 })
  })

  test('a request is kept as it came', async () => {
    agent = await FakeConsul.start()
    await ask('agent/thing?a=1', { method: 'PUT', headers: { 'x-consul-token': 't' } })
    expect(agent.requests).toMatchObject([
      { method: 'PUT', path: '/v1/agent/thing', headers: { 'x-consul-token': 't' }, clientName: undefined },
    ])
    expect(agent.requests[0]?.query.get('a')).toBe('1')
    await health('index=0&wait=1s')
    expect(agent.queries).toMatchObject([{ service: 'orders', index: '0', wait: '1s', token: undefined }])
  })
})

describe('the end, and what comes after it', () => {
  test('stops and comes back under its address, with its data', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    const { address } = agent
    const blocked = health('index=2')
    await until(() => agent.held === 1)
    await agent.stop()
    await expect(blocked).rejects.toThrow()
    await expect(health()).rejects.toThrow()
    expect([agent.held, agent.connections]).toEqual([0, 0])
    await agent.resume()
    expect(agent.address).toBe(address)
    expect(await health()).toMatchObject({ index: 2, body: one })
  })

  test('restarts without its data, and with a lower index', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    agent.serve('orders', two)
    agent.configure('orders', discoveryChain('orders', {}))
    await agent.restart()
    expect(await health()).toMatchObject({ index: 3, body: two })
    await agent.restart({ wiped: true })
    expect(await health()).toMatchObject({ index: 1, body: [] })
    expect(await ask('config/service-resolver')).toMatchObject({ index: 1, body: [] })
  })

  test('is silent, and answers what has come meanwhile', async () => {
    agent = await FakeConsul.start()
    agent.serve('orders', one)
    agent.silence()
    const asked = health()
    await until(() => agent.held === 1)
    agent.speak()
    expect(await asked).toMatchObject({ body: one })
  })

  test('is closed by leaving its block, and only once', async () => {
    let address: string
    {
      await using mine = await FakeConsul.start(hold())
      agent = mine
      address = mine.address
      expect(await ask('agent/self')).toMatchObject({ status: 200 })
    }
    await expect(fetch(address)).rejects.toThrow()
  })
})
