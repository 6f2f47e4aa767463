import { expect, test } from 'vitest'
import { Events, type FairleadEvent, type Subscriber } from './events.js'

const event: FairleadEvent = { type: 'discovery:idle', service: 'orders', idleMs: 1 }

function hearing(traffic = false): Subscriber & { readonly heard: FairleadEvent[] } {
  const heard: FairleadEvent[] = []
  return { traffic, heard, hear: (one) => void heard.push(one) }
}

test('reach every subscriber, in order, until it is taken off', () => {
  const [one, two] = [hearing(), hearing()]
  const events = new Events(one)
  const stop = events.subscribe(two)
  events.publish(event)
  stop()
  events.publish(event)
  expect([one.heard.length, two.heard.length]).toEqual([2, 1])
})

test('calls are traced for as long as a subscriber hears of them', () => {
  const events = new Events(hearing())
  expect(events.traced).toBe(false)
  const stop = events.subscribe(hearing(true))
  expect(events.traced).toBe(true)
  stop()
  expect(events.traced).toBe(false)
})

test('a subscriber that changes its mind is asked again when it is looked at', () => {
  let traffic = false
  const events = new Events({
    get traffic() {
      return traffic
    },
    hear: () => undefined,
  })
  traffic = true
  expect(events.traced).toBe(false)
  events.look()
  expect(events.traced).toBe(true)
})

test('what a subscriber throws is told to the others, and stops none of them', () => {
  const one = hearing()
  const last = hearing()
  const broken: Subscriber = {
    traffic: false,
    hear: () => {
      throw new Error('disk full')
    },
  }
  const events = new Events(one, broken, broken, last)
  events.publish(event)
  for (const { heard } of [one, last]) {
    expect(heard.map(({ type }) => type).sort()).toEqual(['client:listener-failed', 'discovery:idle'])
    expect(heard).toContainEqual(expect.objectContaining({ listener: 'event subscriber' }))
  }
  expect(() => new Events(broken, { ...broken }).publish(event)).not.toThrow()
})
