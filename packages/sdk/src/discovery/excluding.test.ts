import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { Events, type FairleadEvent } from '../observe/events.js'
import { excluding } from './excluding.js'
import { fixedResolver } from './fixed-resolver.js'
import type { Resolver, ResolverEvent } from './resolver.js'

test('what it gets wrong is said when it begins, and again after a set that it got right', async () => {
  const sets = await setsOf(6)
  const wrong = [true, true, false, true, true, false]
  let asked = 0
  const said: FairleadEvent[] = []
  const events = new Events({ traffic: false, hear: (event) => void said.push(event) })
  const resolver: Resolver = {
    name: 'a test',
    watch: () => Readable.from(sets),
  }
  const exclude = (): undefined => {
    if (wrong[asked++] === true) throw new Error('out of order')
  }
  const counts: number[] = []
  const before = excluding(resolver, exclude, events)
  for await (const event of before.watch('orders', new AbortController().signal)) {
    if (event.kind === 'snapshot') counts.push(event.instances.length, said.length)
  }
  expect(counts).toEqual([1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2])
  expect(said[0]).toEqual({
    type: 'discovery:exclude-failed',
    service: 'orders',
    instances: ['fixed/127.0.0.1:1@127.0.0.1:1'],
    reason: 'out of order',
  })
})

async function setsOf(count: number): Promise<ResolverEvent[]> {
  const ending = new AbortController()
  for await (const event of fixedResolver(['http://127.0.0.1:1']).watch('orders', ending.signal)) {
    ending.abort()
    return Array.from({ length: count }, () => event)
  }
  return []
}
