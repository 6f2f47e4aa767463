import { expect, test } from 'vitest'
import { instanceAt, ManualClock } from '../testing/index.js'
import { DiscoveryListeners, type DiscoveryEvent } from './discovery-listeners.js'
import { Events, type ClusterChange } from './events.js'
import { logTo } from './log.js'

const a = instanceAt('http://10.0.0.1:1')
const b = instanceAt('http://10.0.0.1:2')

const change: ClusterChange = {
  freshness: { kind: 'fresh' },
  suspect: undefined,
  instances: [a],
  retained: [],
  added: [a],
  removed: [b],
}

function make(): {
  listeners: DiscoveryListeners
  announce: (change: ClusterChange) => void
  clock: ManualClock
  errors: string[]
} {
  const errors: string[] = []
  const logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: object, message: string) => void errors.push(`${message} ${JSON.stringify(fields)}`),
  }
  const clock = new ManualClock()
  const events = new Events(logTo(logger))
  const listeners = new DiscoveryListeners(clock, events)
  const announce = (change: ClusterChange): void =>
    events.publish({ type: 'cluster:updated', service: 'orders', change })
  return { listeners, announce, clock, errors }
}

test('says all there is to say, in plain data', async () => {
  const { listeners, announce, clock } = make()
  await clock.advance(10_000)
  const heard: DiscoveryEvent[] = []
  listeners.add((event) => heard.push(event))
  announce({ ...change, suspect: 'no leader', retained: [b] })
  announce({ ...change, freshness: { kind: 'stale', since: 4000, cause: new Error('cut off') } })
  announce({ ...change, freshness: { kind: 'disk', savedAt: 7, cause: new Error('refused') } })
  announce({ ...change, freshness: { kind: 'waiting', cause: undefined } })
  const plain = {
    service: 'orders',
    instances: [a],
    retained: [],
    added: [a],
    removed: [b],
    suspect: undefined,
  }
  expect(heard).toEqual([
    {
      ...plain,
      freshness: 'fresh',
      since: undefined,
      reason: undefined,
      suspect: 'no leader',
      retained: [b],
    },
    { ...plain, freshness: 'stale', since: clock.unixTime() - 6000, reason: 'cut off' },
    { ...plain, freshness: 'disk', since: 7, reason: 'refused' },
    { ...plain, freshness: 'waiting', since: undefined, reason: undefined },
  ])
  expect(structuredClone(heard)).toEqual(heard)
})

test('one that throws is logged, and the others hear all the same', () => {
  const { listeners, announce, errors } = make()
  let heard = 0
  listeners.add(() => heard++)
  listeners.add(() => {
    throw new Error('off by one')
  })
  listeners.add(() => heard++)
  announce(change)
  announce(change)
  expect(heard).toBe(4)
  expect(errors).toEqual(
    Array(2).fill(
      'a listener of onDiscovery threw; the others are called all the same {"service":"orders","reason":"off by one"}',
    ),
  )
})

test('one that rejects is logged', async () => {
  const { listeners, announce, errors } = make()
  // eslint-disable-next-line @typescript-eslint/no-misused-promises -- what JavaScript users will do
  listeners.add(() => Promise.reject(new Error('later')))
  announce(change)
  await expect
    .poll(() => errors)
    .toEqual([
      'a listener of onDiscovery threw; the others are called all the same {"service":"orders","reason":"later"}',
    ])
})

test('taken back it hears nothing more, be it from within another one', () => {
  const { listeners, announce } = make()
  const heard: string[] = []
  const stop = listeners.add(() => heard.push('first'))
  listeners.add(() => stopLast())
  const stopLast = listeners.add(() => heard.push('last'))
  announce(change)
  stop()
  stop()
  announce(change)
  expect(heard).toEqual(['first'])
})

test('one that is added twice is called twice, and taken back once at a time', () => {
  const { listeners, announce } = make()
  let heard = 0
  const listener = (): number => heard++
  const [first] = [listeners.add(listener), listeners.add(listener)]
  announce(change)
  expect(heard).toBe(2)
  first()
  announce(change)
  expect(heard).toBe(3)
})

test('one that is added from within another hears the next one', () => {
  const { listeners, announce } = make()
  const heard: string[] = []
  const stop = listeners.add(() => {
    stop()
    listeners.add(() => heard.push('late'))
  })
  announce(change)
  expect(heard).toEqual([])
  announce(change)
  expect(heard).toEqual(['late'])
})
