import type { Client } from '@fairlead/sdk'
import { healthEntry, ManualClock } from '@fairlead/sdk/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Clients } from './clients.js'
import { CONFIG, quiet, startAgent, until } from './testing/rig.test.support.js'

const busy = ['a', 'b', 'c']

test('made-up names beyond --max-services look at no service with instances, but once a second', async () => {
  const agent = await startAgent()
  for (const name of busy) agent.serve(name, [healthEntry(1, { service: { ID: name, Service: name } })])
  const clock = new ManualClock()
  const clients = new Clients(
    { ...CONFIG, consul: agent.address, maxServices: busy.length + 1 },
    quiet,
    clock,
  )
  onTestFinished(() => clients.destroy())
  const known = busy.map((name) => clients.get(name))
  await until('all are known', () => known.every((client) => client.inspect().endpoints.length === 1))
  const looked = known.map((client) => vi.spyOn(client, 'inspect'))
  const looks = (): number => looked.reduce((sum, { mock }) => sum + mock.calls.length, 0)

  // One that Consul knows no instance of makes room for the next, and so on.
  let last: Client = clients.get('made-up-0')
  for (let name = 1; name < 5; name++) {
    const { service } = last
    await until('it is known to have no instances', () => last.inspect().freshness === 'fresh')
    last = clients.get(`made-up-${name}`)
    expect(clients.find(service)).toBeUndefined()
  }
  expect(looks()).toBe(0)

  // And where there is no client to forget, the search is not made for each name.
  await until('it is known to have no instances', () => last.inspect().freshness === 'fresh')
  agent.serve('d', [healthEntry(1, { service: { ID: 'd', Service: 'd' } })])
  const full = clients.get('d')
  await until('it is full', () => full.inspect().endpoints.length === 1)
  const refuse = (): void => {
    expect(() => clients.get('one-more')).toThrow('--max-services')
  }
  for (let name = 0; name < 10; name++) refuse()
  expect(looks()).toBe(busy.length)
  clock.holdUp(1000)
  for (let name = 0; name < 10; name++) refuse()
  expect(looks()).toBe(2 * busy.length)
})
