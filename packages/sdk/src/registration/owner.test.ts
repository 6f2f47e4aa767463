import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Logger } from '../logger.js'
import { healthEntry, ManualClock, refuse, seededRandom, type FakeConsulStep } from '../testing/index.js'
import { FakeAgent, letGo } from '../test-support/fake-agent.test.support.js'
import { until } from '../test-support/until.test.support.js'
import { register } from './register.js'
import type { Registration } from './registration.js'

let agent: FakeAgent
let clock: ManualClock
let lines: string[]
let registration: Registration

beforeEach(async () => {
  const said: string[] = (lines = [])
  const say = (_: object, message: string): void => void said.push(message)
  const logger: Logger = { info: say, warn: say, error: say }
  clock = new ManualClock()
  agent = await FakeAgent.start('o1')
  registration = register({
    name: 'orders',
    port: 8080,
    id: 'o1',
    consul: { address: agent.address },
    clock,
    logger,
    random: seededRandom(1),
  })
  await registration.ready()
})

afterEach(async () => {
  await letGo(registration, clock)
  await agent.close()
})

/** Another process has registered under the id. */
const anothers: FakeConsulStep = (_, response) =>
  response.end(JSON.stringify({ ID: 'o1', Meta: { 'fairlead-owner': 'another' } }))

const nobodys = refuse(404, 'unknown service ID: o1')

async function superseded(): Promise<void> {
  agent.always('owner', anothers)
  await clock.advance(5000)
  await until(() => registration.inspect().state === 'superseded')
}

test('what another process has registered gets no heartbeat of ours, and is not deregistered', async () => {
  await superseded()
  const before = agent.names.length
  for (let n = 0; n < 5; n++) await clock.advance(5000)
  expect(await registration.deregister()).toBe(true)
  expect(agent.names.slice(before)).toEqual([])
  expect(lines.filter((line) => line.includes('another process has registered under this id'))).toHaveLength(
    1,
  )
})

test('one that comes between two heartbeats is not deregistered either', async () => {
  agent.always('owner', anothers)
  expect(await registration.deregister()).toBe(true)
  expect(agent.names).not.toContain('deregister')
})

test('nor is it put into maintenance by a drain, which then has nothing to announce', async () => {
  agent.always('owner', anothers)
  const before = agent.names.length
  const drained = registration.drain({ settleMs: 0 })
  expect(await drained).toEqual({ confirmed: true, finished: true, deregistered: true })
  expect(agent.names.slice(before)).toEqual([])
})

test('one that comes while we drain ends the wait for clients to see it', async () => {
  agent.consul.serve('orders', [healthEntry(8080, { service: { ID: 'o1', Meta: agent.meta } })])
  const drained = registration.drain({ settleMs: 0 })
  await until(() => agent.consul.queries.length > 0 && clock.nextDelayMs === 100)
  await clock.advance(100)
  agent.always('owner', anothers)
  agent.consul.serve('orders', [
    healthEntry(8080, { service: { ID: 'o1', Meta: { 'fairlead-owner': 'another' } } }),
  ])
  expect(await drained).toEqual({ confirmed: true, finished: true, deregistered: true })
  expect(agent.names).not.toContain('deregister')
})

test('a registration without a word of whose it is is not ours', async () => {
  agent.always('owner', (_, response) => response.end('{"ID":"o1","Meta":null}'))
  expect(await registration.deregister()).toBe(true)
  expect(agent.names).not.toContain('deregister')
})

test('when the other one leaves, the id is taken again within a second', async () => {
  await superseded()
  const before = agent.names.length
  agent.always('owner', undefined)
  agent.next('owner', nobodys)
  await clock.advance(1000)
  await until(() => registration.inspect().state === 'registered')
  await until(() => agent.names.length === before + 3)
  expect(agent.names.slice(before)).toEqual(['register', 'maintenance', 'update'])
  expect(lines).toContain('the other process has left; registering the instance again')
  expect(await registration.deregister()).toBe(true)
  expect(agent.names.at(-1)).toBe('deregister')
})

test('a maintenance that is requested meanwhile is not done, and says why', async () => {
  await superseded()
  const before = agent.names.length
  const asked = registration.maintenance(true, 'a reason', { timeoutMs: 100 })
  const said = expect(asked).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringContaining(
      'has a registration of another process under the id o1; waiting until it leaves',
    ) as string,
  })
  await clock.advance(100)
  await said
  expect(agent.names.slice(before)).toEqual([])
})
