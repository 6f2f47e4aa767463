import { expect, test } from 'vitest'
import type { ClusterChange } from '../cluster/cluster.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { DiscoveryListeners, type DiscoveryEvent } from './discovery-listeners.js'

const a = instanceAt('http://10.0.0.1:1')
const b = instanceAt('http://10.0.0.1:2')

const change: ClusterChange = {
  freshness: { kind: 'fresh' },
  doubt: undefined,
  instances: [a],
  reserve: [],
  added: [a],
  removed: [b],
}

function make(): { listeners: DiscoveryListeners; clock: ManualClock; errors: string[] } {
  const errors: string[] = []
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: object, message: string) => void errors.push(`${message} ${JSON.stringify(fields)}`),
  }
  return { listeners: new DiscoveryListeners('orders', logger), clock: new ManualClock(), errors }
}

test('says all there is to say, in plain data', async () => {
  const { listeners, clock } = make()
  await clock.advance(10_000)
  const heard: DiscoveryEvent[] = []
  listeners.add((event) => heard.push(event))
  listeners.announce({ ...change, doubt: 'no leader', reserve: [b] }, clock)
  listeners.announce(
    { ...change, freshness: { kind: 'stale', since: 4000, cause: new Error('cut off') } },
    clock,
  )
  listeners.announce(
    { ...change, freshness: { kind: 'disk', savedAt: 7, cause: new Error('refused') } },
    clock,
  )
  listeners.announce({ ...change, freshness: { kind: 'waiting', cause: undefined } }, clock)
  const plain = { service: 'orders', instances: [a], reserve: [], added: [a], removed: [b], doubt: undefined }
  expect(heard).toEqual([
    { ...plain, freshness: 'fresh', since: undefined, reason: undefined, doubt: 'no leader', reserve: [b] },
    { ...plain, freshness: 'stale', since: clock.unixTime() - 6000, reason: 'cut off' },
    { ...plain, freshness: 'disk', since: 7, reason: 'refused' },
    { ...plain, freshness: 'waiting', since: undefined, reason: undefined },
  ])
  expect(structuredClone(heard)).toEqual(heard)
})

test('one that throws is logged, and the others hear all the same', () => {
  const { listeners, clock, errors } = make()
  let heard = 0
  listeners.add(() => heard++)
  listeners.add(() => {
    throw new Error('off by one')
  })
  listeners.add(() => heard++)
  listeners.announce(change, clock)
  listeners.announce(change, clock)
  expect(heard).toBe(4)
  expect(errors).toEqual(
    Array(2).fill('a listener of onDiscovery threw {"service":"orders","reason":"off by one"}'),
  )
})

test('one that rejects is logged', async () => {
  const { listeners, clock, errors } = make()
  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what JavaScript users will do
  listeners.add(() => Promise.reject(new Error('later')))
  listeners.announce(change, clock)
  await expect
    .poll(() => errors)
    .toEqual(['a listener of onDiscovery threw {"service":"orders","reason":"later"}'])
})

test('taken back it hears nothing more, be it from within another one', () => {
  const { listeners, clock } = make()
  const heard: string[] = []
  const stop = listeners.add(() => heard.push('first'))
  listeners.add(() => stopLast())
  const stopLast = listeners.add(() => heard.push('last'))
  listeners.announce(change, clock)
  stop()
  stop()
  listeners.announce(change, clock)
  expect(heard).toEqual(['first'])
})

test('one that is added twice is called twice, and taken back once at a time', () => {
  const { listeners, clock } = make()
  let heard = 0
  const listener = (): number => heard++
  const [first] = [listeners.add(listener), listeners.add(listener)]
  listeners.announce(change, clock)
  expect(heard).toBe(2)
  first()
  listeners.announce(change, clock)
  expect(heard).toBe(3)
})

test('one that is added from within another hears the next one', () => {
  const { listeners, clock } = make()
  const heard: string[] = []
  const stop = listeners.add(() => {
    stop()
    listeners.add(() => heard.push('late'))
  })
  listeners.announce(change, clock)
  expect(heard).toEqual([])
  listeners.announce(change, clock)
  expect(heard).toEqual(['late'])
})
