import { afterEach, expect, test } from 'vitest'
import { systemClock } from '../../clock.js'
import { parseOptions } from '../../client-options.js'
import { answer, FakeConsul, healthEntry, seededRandom, type FakeConsulStep } from '../../testing/index.js'
import { ConsulResolver } from './resolver.js'
import type { Instance, ResolverEvent } from '../resolver.js'

let stop: AbortController
let agent: FakeConsul

afterEach(async () => {
  stop.abort()
  await agent.close()
})

async function follow(
  options: object,
  ...script: readonly FakeConsulStep[]
): Promise<() => Promise<readonly Instance[]>> {
  stop = new AbortController()
  agent = await FakeConsul.start(...script)
  const { consul } = parseOptions('orders', { consul: { address: agent.address, ...options } }, {})
  const events = new ConsulResolver(consul, systemClock, seededRandom(1)).watch('orders', stop.signal)
  return async () => {
    const { value } = (await events.next()) as { value: ResolverEvent }
    if (value.kind === 'stale') throw value.cause
    return value.instances
  }
}

test('an instance stays the same object until something about it changes', async () => {
  const weighted = healthEntry(2, { service: { Weights: { Passing: 7, Warning: 1 } } })
  const chatty = { ...healthEntry(1), Checks: [{ CheckID: 'a', Status: 'passing', Output: 'again' }] }
  const next = await follow(
    {},
    answer(1, [healthEntry(1), healthEntry(2)]),
    answer(2, [chatty, healthEntry(2)]),
    answer(3, [chatty, weighted]),
  )
  const [a, b] = await next()
  // The second answer says nothing new.
  const [c, d] = await next()
  expect(c).toBe(a)
  expect(d).not.toBe(b)
  expect(d).toMatchObject({ key: b?.key, weight: 7 })
})

test('the same text is read anew where its addresses mean something else', async () => {
  const entry = healthEntry(1, {
    service: { Address: '10.0.0.1', TaggedAddresses: { wan: { Address: '192.0.2.1', Port: 1 } } },
  })
  const next = await follow(
    { network: 'wan' },
    answer(1, [entry]),
    // The agent has put WAN addresses in their place: what stands there is one.
    answer(2, [entry], { 'x-consul-translate-addresses': 'true' }),
  )
  expect((await next()).map(({ origin }) => origin)).toEqual(['http://192.0.2.1:1'])
  expect((await next()).map(({ origin }) => origin)).toEqual(['http://10.0.0.1:1'])
})
