import { expect, test } from 'vitest'
import { instanceAt } from '../testing/index.js'
import type { TargetEvent, WatchTarget } from './consul-watch.js'
import type { Instance, ResolverEvent, Snapshot } from './resolver.js'
import { TargetSet } from './target-set.js'

const here = instanceAt('http://10.0.0.1:1')
const there = instanceAt('http://10.0.0.2:1', { priority: 1 })

function targetIn(datacenter: string | undefined, priority: number): WatchTarget {
  return {
    service: 'orders',
    question: {
      datacenter,
      namespace: undefined,
      partition: undefined,
      peer: undefined,
      near: undefined,
      filter: undefined,
      tags: [],
      consistency: 'default',
      cached: false,
    },
    read: {
      priority,
      scheme: undefined,
      address: { network: 'lan', ipFamily: undefined },
      onlyPassing: false,
      keyPrefix: '',
    },
  }
}

/** Two targets, whose events a test pushes. */
function follow(): {
  set: TargetSet
  say: (where: string, event: TargetEvent) => Promise<readonly ResolverEvent[]>
} {
  const queues = new Map<string, { events: TargetEvent[]; wake: () => void }>()
  const set = new TargetSet(
    async function* (target, signal) {
      const queue = { events: [] as TargetEvent[], wake: (): void => undefined }
      queues.set(target.question.datacenter ?? 'dc1', queue)
      signal.addEventListener('abort', () => queue.wake())
      while (!signal.aborted) {
        const event = queue.events.shift()
        if (event === undefined) await new Promise<void>((resolve) => (queue.wake = resolve))
        else yield event
      }
    },
    () => undefined,
  )
  set.adopt({ targets: [targetIn(undefined, 0), targetIn('dc2', 1)], policy: undefined })
  return {
    set,
    say: async (where, event) => {
      await new Promise((resolve) => setImmediate(resolve))
      queues.get(where)?.events.push(event)
      queues.get(where)?.wake()
      await new Promise((resolve) => setImmediate(resolve))
      return set.news()
    },
  }
}

const health = (...instances: readonly Instance[]): TargetEvent => ({
  kind: 'health',
  health: { instances, excluded: [] },
  doubt: undefined,
})

const shown = (events: readonly ResolverEvent[]): readonly unknown[] =>
  events.map((event) =>
    event.kind === 'stale' ? event.cause.message : [event.instances.map(({ origin }) => origin), event.doubt],
  )

test('until each target has had its first word, what is missing is in doubt', async () => {
  const { set, say } = follow()
  expect(shown(await say('dc1', health(here)))).toEqual([
    [[here.origin], 'orders in dc2 has not answered yet'],
  ])
  expect(shown(await say('dc2', health(there)))).toEqual([[[here.origin, there.origin], undefined]])
  set.close()
})

test('one that cannot be asked is a note, and no doubt', async () => {
  const { set, say } = follow()
  await say('dc1', health(here))
  const [news] = (await say('dc2', { kind: 'stale', cause: new Error('no path to dc2') })) as [Snapshot]
  expect(news).toMatchObject({
    instances: [here],
    excluded: [{ key: 'orders in dc2', reason: 'no path to dc2' }],
  })
  expect(news.doubt).toBeUndefined()
  set.close()
})

test('while the first one has never answered, its instances are missing from the set, not gone', async () => {
  const { set, say } = follow()
  expect(shown(await say('dc1', { kind: 'stale', cause: new Error('refused') }))).toEqual(['refused'])
  expect(shown(await say('dc2', health(there)))).toEqual([[[there.origin], 'refused'], 'refused'])
  expect(shown(await say('dc1', health(here)))).toEqual([[[here.origin, there.origin], undefined]])
  // What it has said stands, once it fails.
  expect(shown(await say('dc1', { kind: 'stale', cause: new Error('cut off') }))).toEqual(['cut off'])
  expect(shown(await say('dc2', health()))).toEqual([[[here.origin], undefined], 'cut off'])
  set.close()
})
