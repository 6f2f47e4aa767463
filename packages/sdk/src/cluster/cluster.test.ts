import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Balancer } from '../balance/picker.js'
import type { Instance } from '../discovery/resolver.js'
import type { Restriction } from '../resilience/judge.js'
import { instanceAt } from '../testing/index.js'
import { Events } from '../observe/events.js'
import { logTo } from '../observe/log.js'
import type { BalancingPolicy } from './cluster.js'
import { DOUBT, fleet, IDLE_MS, Rig, SECOND, type Watched } from './cluster.test.support.js'
import type { OuterLayer } from './live-picker.js'

const [a, b, c, d] = fleet as [Instance, Instance, Instance, Instance]

describe('freshness', () => {
  test('waits for the first set, and is fresh with it', async () => {
    const rig = new Rig()
    rig.cluster.follow()
    await rig.settle()
    expect(rig.cluster.freshness).toEqual({ kind: 'waiting', cause: undefined })
    expect(rig.cluster.resolved).toBe(false)
    expect(rig.cluster.pick({ now: 0, tried: [] })).toBeUndefined()
    await rig.list([a, b])
    expect(rig.cluster.freshness).toEqual({ kind: 'fresh' })
    expect(rig.cluster.resolved).toBe(true)
    expect(rig.changes).toEqual([
      {
        freshness: { kind: 'fresh' },
        suspect: undefined,
        instances: [a, b],
        retained: [],
        added: [a, b],
        removed: [],
      },
    ])
  })

  test('says why it waits, once, and goes on waiting', async () => {
    const rig = new Rig()
    rig.cluster.follow()
    await rig.fail('refused')
    await rig.fail('refused again')
    expect(rig.cluster.freshness).toEqual({ kind: 'waiting', cause: new Error('refused again') })
    expect(rig.cluster.resolved).toBe(false)
    expect(rig.cluster.whyEmpty()).toBe('refused again')
    expect(rig.logged).toHaveLength(1)
    expect(rig.lines('discovery failed before its first answer')).toHaveLength(1)
    expect(rig.changes).toMatchObject([{ freshness: { kind: 'waiting', cause: new Error('refused') } }])
  })

  test('is stale from the first failure on, with the latest reason, and fresh again with the next set', async () => {
    const rig = new Rig()
    await rig.start([a])
    await rig.clock.advance(5 * SECOND)
    await rig.fail('cut off')
    await rig.clock.advance(5 * SECOND)
    await rig.fail('still cut off')
    expect(rig.cluster.freshness).toEqual({
      kind: 'stale',
      since: 5 * SECOND,
      cause: new Error('still cut off'),
    })
    expect(rig.picks).toEqual([a])
    expect(rig.lines('warn')).toHaveLength(1)
    await rig.list([a])
    expect(rig.cluster.freshness).toEqual({ kind: 'fresh' })
    expect(rig.lines('a fake resolver answers again')).toHaveLength(1)
    expect(rig.changes.map(({ freshness }) => freshness.kind)).toEqual(['fresh', 'stale', 'fresh'])
  })

  test('a saved set serves, says since when and why, until the first true one', async () => {
    const rig = new Rig()
    rig.cluster.follow()
    await rig.list([a, b], { savedAt: 7 })
    expect(rig.cluster.freshness).toEqual({ kind: 'disk', savedAt: 7, cause: undefined })
    expect(rig.cluster.resolved).toBe(true)
    await rig.fail('refused')
    await rig.fail('refused again')
    expect(rig.cluster.freshness).toEqual({ kind: 'disk', savedAt: 7, cause: new Error('refused again') })
    expect(rig.picks).toHaveLength(2)
    expect(rig.changes.map(({ freshness }) => freshness)).toEqual([
      { kind: 'disk', savedAt: 7, cause: undefined },
      { kind: 'disk', savedAt: 7, cause: new Error('refused') },
    ])
    expect(rig.lines('serving the instances that were last saved')).toHaveLength(1)
    expect(rig.lines('warn')).toHaveLength(1)
    await rig.list([c])
    expect(rig.cluster.freshness).toEqual({ kind: 'fresh' })
    expect(rig.lines('answers again')).toHaveLength(1)
    // What was known from disk only is gone without a doubt.
    expect(rig.picks).toEqual([c])
  })

  test('keeps the reason where a saved set comes after the failure', async () => {
    const rig = new Rig()
    rig.cluster.follow()
    await rig.fail('refused')
    await rig.list([a], { savedAt: 7 })
    expect(rig.cluster.freshness).toEqual({ kind: 'disk', savedAt: 7, cause: new Error('refused') })
  })

  test.each(['fresh', 'stale'])('%s, a saved set is not taken in', async (kind) => {
    const rig = new Rig()
    await rig.start([a])
    if (kind === 'stale') await rig.fail('cut off')
    await rig.list([b], { savedAt: 7 })
    expect(rig.cluster.freshness.kind).toBe(kind)
    expect(rig.picks).toEqual([a])
  })

  test('says why there is no endpoint', async () => {
    const rig = new Rig()
    expect(rig.cluster.whyEmpty()).toBe('a fake resolver has not answered yet')
    await rig.start([])
    expect(rig.cluster.whyEmpty()).toBe('a fake resolver knows no instance of that name')
    const excluded = fleet.map(({ key }) => ({
      key,
      reason: 'critical',
      kind: 'unhealthy' as const,
      priority: 0,
    }))
    await rig.list([], { excluded })
    await rig.fail('cut off')
    expect(rig.cluster.whyEmpty()).toMatch(
      /^a fake resolver knows 6, none of them usable: node\S+ \(critical\), (.*\), ){4}and 1 more; that is stale, as cut off$/,
    )
  })
})

test('the log names an endpoint in one way, whatever becomes of it', async () => {
  const rig = new Rig()
  await rig.start([a, b, c])
  await rig.list([a])
  rig.endpoint(b).record(1, 'success', 0)
  rig.endpoint(b).unreachable(new Error('refused'))
  await rig.clock.advance(61 * SECOND)
  expect(rig.lines('"added":["10.0.0.1:1","10.0.0.1:2","10.0.0.1:3"]')).toHaveLength(1)
  expect(rig.lines('"removed":["10.0.0.1:2"]')).toHaveLength(1)
  expect(rig.lines('still not listed; removed {"service":"orders","removed":["10.0.0.1:3"]')).toHaveLength(1)
  expect(rig.lines('http://')).toEqual([])
})

describe('what is no longer listed', () => {
  test('is retained where that is suspect, behind all that is listed', async () => {
    const rig = new Rig()
    await rig.start([a, b, { ...c, weight: 0 }, d])
    const [kept, other] = [rig.endpoint(b), rig.endpoint(d)]
    await rig.list([a, { ...c, weight: 0 }], { suspect: DOUBT })
    expect(rig.cluster.suspect).toBe(DOUBT)
    expect(rig.picks.slice(0, 2)).toEqual([a, { ...c, weight: 0 }])
    expect(new Set(rig.picks.slice(2))).toEqual(new Set([b, d]))
    expect(rig.endpoint(b)).toBe(kept)
    expect([kept, other].map(({ retained, retired }) => [retained, retired])).toEqual([
      [true, false],
      [true, false],
    ])
    expect(rig.cluster.retained.map(({ instance }) => instance)).toEqual([b, d])
    expect(rig.changes.at(-1)).toMatchObject({ suspect: DOUBT, retained: [b, d], added: [], removed: [] })
    expect(rig.lines('which is suspect')).toEqual([
      expect.stringContaining(`"instances":2,"retained":["10.0.0.1:2","10.0.0.1:4"],"reason":"${DOUBT}"`),
    ])
    await rig.cluster.close()
  })

  test('is the same endpoint when it is listed again, with all that it has become', async () => {
    const rig = new Rig()
    await rig.start(fleet)
    const kept = rig.endpoint(a)
    await rig.list([])
    expect(rig.lines('too many are gone at once')).toHaveLength(1)
    await rig.list([{ ...a, weight: 3 }, ...fleet.slice(1)])
    expect(rig.endpoint(a)).toBe(kept)
    expect(kept).toMatchObject({ instance: { weight: 3 }, retained: false, retired: false })
    expect(rig.lines('retained instances are listed again')).toHaveLength(1)
    expect(rig.cluster.retained).toEqual([])
    // No timer but the idle one.
    expect(rig.clock.pending).toBe(1)
  })

  test('goes by an answer that is not suspect', async () => {
    const rig = new Rig()
    await rig.start(fleet)
    const endpoint = rig.endpoint(a)
    await rig.list(fleet.slice(1), { suspect: DOUBT })
    await rig.list(fleet.slice(1))
    expect(rig.picks).not.toContain(a)
    expect(endpoint.retired).toBe(true)
    expect(endpoint.retained).toBe(false)
    expect(rig.lines('in an answer that is not suspect')).toHaveLength(1)
    expect(rig.changes.at(-1)).toMatchObject({ retained: [], removed: [a] })
  })

  test('goes when its time is over, which each of its answers renews', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    await rig.list([])
    await rig.clock.advance(30 * SECOND)
    rig.endpoint(a).record(1, 'success', rig.clock.now())
    rig.endpoint(a).record(1, 'success', rig.clock.now())
    expect(rig.lines('no longer listed answers; retaining it')).toEqual([
      expect.stringContaining('10.0.0.1:1"'),
    ])
    await rig.clock.advance(30 * SECOND - 1)
    expect(rig.picks).toHaveLength(2)
    await rig.clock.advance(1)
    expect(rig.picks).toEqual([a])
    expect(rig.changes.at(-1)).toMatchObject({ instances: [], retained: [a], removed: [b] })
    await rig.clock.advance(30 * SECOND - 1)
    expect(rig.picks).toEqual([a])
    await rig.clock.advance(1)
    expect(rig.picks).toEqual([])
    expect(rig.lines('still not listed; removed')).toHaveLength(2)
    await rig.cluster.close()
    expect(rig.clock.pending).toBe(0)
  })

  test('goes for ever so many answers in the end', async () => {
    const rig = new Rig({ idleMs: Infinity })
    await rig.start([a, b])
    await rig.list([])
    for (let second = 30; second < 600; second += 30) {
      await rig.clock.advance(30 * SECOND)
      rig.endpoint(a).record(1, 'success', rig.clock.now())
    }
    expect(rig.picks).toEqual([a])
    await rig.clock.advance(30 * SECOND)
    expect(rig.picks).toEqual([])
    expect(rig.clock.pending).toBe(0)
  })

  test('a response that is a failure renews nothing', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    await rig.list([])
    await rig.clock.advance(30 * SECOND)
    rig.endpoint(a).record(1, 'remote_failure', rig.clock.now())
    rig.endpoint(a).record(1, 'ignored', rig.clock.now())
    await rig.clock.advance(30 * SECOND)
    expect(rig.picks).toEqual([])
  })

  test('goes when it cannot be reached, and says why', async () => {
    const rig = new Rig()
    await rig.start([a, b, c])
    await rig.list([])
    const gone = rig.endpoint(b)
    gone.unreachable(new Error('connect ECONNREFUSED 10.0.0.1:2'))
    gone.unreachable(new Error('and once more'))
    // Its exchange is in the middle of its end.
    expect(gone.retired).toBe(false)
    await rig.settle()
    expect(gone).toMatchObject({ retired: true, retained: false })
    expect(rig.picks).toEqual(expect.not.arrayContaining([b]))
    expect(rig.picks).toHaveLength(2)
    expect(rig.lines('a retained instance cannot be reached; removed')).toEqual([
      expect.stringContaining('"endpoint":"10.0.0.1:2","reason":"connect ECONNREFUSED 10.0.0.1:2"'),
    ])
    expect(rig.changes.at(-1)).toMatchObject({ retained: [a, c], removed: [b] })
  })

  test('several that fail in one turn make the set anew once', async () => {
    const rig = new Rig()
    await rig.start(fleet)
    await rig.list([])
    const changes = rig.changes.length
    for (const instance of [a, b, c]) rig.endpoint(instance).unreachable(new Error('refused'))
    await rig.settle()
    expect(rig.changes.length).toBe(changes + 1)
    expect(rig.changes.at(-1)).toMatchObject({ removed: [a, b, c] })
  })

  test('goes when its circuit opens', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    await rig.list([])
    rig.endpoint(a).restrict(restriction('probing'))
    await rig.settle()
    expect(rig.picks).toHaveLength(2)
    rig.endpoint(a).restrict(restriction('unavailable'))
    await rig.settle()
    expect(rig.picks).toEqual([b])
    expect(rig.lines('circuit_open')).toHaveLength(1)
  })

  test('dropped and listed again before the set is made anew, it stays as it is', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    await rig.list([])
    const kept = rig.endpoint(a)
    kept.unreachable(new Error('refused'))
    await rig.cluster.update({ kind: 'snapshot', instances: [a, b], excluded: [] })
    await rig.settle()
    expect(rig.endpoint(a)).toBe(kept)
    expect(kept).toMatchObject({ retired: false, retained: false })
  })

  test('a word of an endpoint that is gone is not taken for one of its successor', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    await rig.list([])
    const gone = rig.endpoint(a)
    gone.unreachable(new Error('refused'))
    await rig.settle()
    await rig.list([a, b])
    await rig.list([])
    expect(rig.endpoint(a)).not.toBe(gone)
    gone.unreachable(new Error('refused'))
    gone.record(1, 'success', 0)
    await rig.settle()
    expect(rig.cluster.retained.map(({ instance, confirmed }) => [instance, confirmed])).toEqual([
      [a, false],
      [b, false],
    ])
  })

  test('words about what is listed change nothing', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    rig.endpoint(a).unreachable(new Error('refused'))
    rig.endpoint(a).record(1, 'success', 0)
    rig.cluster.availabilityChanged(rig.endpoint(a), restriction('unavailable'))
    await rig.settle()
    expect(rig.changes).toHaveLength(1)
    expect(rig.picks).toHaveLength(2)
    expect(rig.lines('warn')).toEqual([])
  })

  test('in maintenance is gone at once', async () => {
    const rig = new Rig()
    await rig.start([a, b, c])
    const excluded = [a, b].map(({ key }) => ({
      key,
      reason: 'maintenance',
      kind: 'deliberate' as const,
      priority: 0,
    }))
    await rig.list([c], { excluded, suspect: DOUBT })
    expect(rig.picks).toEqual([c])
  })

  test('is gone at once without a governor', async () => {
    const rig = new Rig({ governor: undefined })
    await rig.start(fleet)
    await rig.list([], { suspect: DOUBT })
    expect(rig.picks).toEqual([])
    expect(rig.cluster.retained).toEqual([])
    rig.cluster.pause()
    await rig.cluster.close()
    expect(rig.clock.pending).toBe(0)
  })

  test('a closed cluster looks at no time any more', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    await rig.list([])
    const endpoint = rig.endpoint(a)
    expect(rig.clock.pending).toBe(2)
    endpoint.unreachable(new Error('refused'))
    const changes = rig.changes.length
    await rig.cluster.close()
    await rig.settle()
    expect(rig.clock.pending).toBe(0)
    expect(rig.changes.length).toBe(changes)
  })
})

describe('the picker', () => {
  test('is made anew only for what concerns it', async () => {
    const rig = new Rig()
    const policy = { requestTimeoutMs: 5 }
    await rig.start([a, b])
    await rig.list([a, b], { policy })
    expect(rig.built.map((built) => built.policy)).toEqual([undefined, policy])
    await rig.list([{ ...a, locality: { datacenter: 'dc2' } }, b], { policy })
    expect(rig.built).toHaveLength(2)
    expect(rig.picks).toContainEqual({ ...a, locality: { datacenter: 'dc2' } })
    await rig.list([a, { ...b, weight: 2 }], { policy })
    expect(rig.built).toHaveLength(3)
    const another = { requestTimeoutMs: 5 }
    await rig.list([a, { ...b, weight: 2 }], { policy: another })
    expect(rig.built).toHaveLength(4)
    expect(rig.built.at(-1)?.policy).toBe(another)
  })

  test('follows priorities: those of instances, what is excluded of them, and availability', async () => {
    const rig = new Rig()
    const second = instanceAt('http://10.0.0.2:1', { priority: 1 })
    const shareOfSecond = (): number => {
      let count = 0
      for (let n = 0; n < 2000; n++)
        if (rig.cluster.pick({ now: 0, tried: [] })?.instance.key === second.key) count++
      return count / 2000
    }
    await rig.start([a, b, second])
    expect(shareOfSecond()).toBe(0)
    const out = (kind: 'unhealthy' | 'unusable') =>
      [c, d].map(({ key }) => ({ key, reason: 'critical', kind, priority: 0 }))
    await rig.list([a, b, second], { excluded: out('unhealthy') })
    expect(shareOfSecond()).toBeCloseTo(0.3, 1)
    await rig.list([a, b, second], { excluded: out('unusable') })
    expect(shareOfSecond()).toBe(0)
    rig.endpoint(a).restrict(restriction('unavailable'))
    expect(shareOfSecond()).toBeCloseTo(0.3, 1)
    rig.endpoint(a).lift('circuit_open')
    expect(shareOfSecond()).toBe(0)
    await rig.list([a, b, { ...second, priority: 0 }])
    expect(shareOfSecond()).toBeCloseTo(1 / 3, 1)
  })

  test('panics below half, and says so once, and when it is over', async () => {
    const rig = new Rig()
    await rig.start([a, b, c])
    for (const one of [a, b]) rig.endpoint(one).restrict(restriction('unavailable'))
    expect(rig.cluster.prioritiesInPanic).toEqual([0])
    expect([a, b, c].map((one) => rig.endpoint(one).panic)).toEqual(['all', 'all', 'all'])
    await rig.list([a, b, c, d])
    // Half of four: enough.
    expect(rig.cluster.prioritiesInPanic).toEqual([])
    expect(rig.lines('too few endpoints are available').length).toBe(1)
    expect(rig.lines('enough endpoints are available').length).toBe(1)
    await rig.list([a, b, c])
    expect(rig.cluster.prioritiesInPanic).toEqual([0])
    for (const one of [a, b]) rig.endpoint(one).lift('circuit_open')
    expect(rig.cluster.prioritiesInPanic).toEqual([])
    expect([a, b, c].map((one) => rig.endpoint(one).panic)).toEqual(['none', 'none', 'none'])
    expect(rig.lines('too few endpoints are available').length).toBe(2)
  })

  test('an endpoint is new from when it comes, but for those that were there before us', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    expect(rig.endpoint(a).usableSince).toBeLessThan(-1e9)
    await rig.clock.advance(5 * SECOND)
    const now = Math.floor(rig.clock.now())
    await rig.list([a, b, c])
    expect(rig.endpoint(a).usableSince).toBeLessThan(-1e9)
    expect(rig.endpoint(c).usableSince).toBe(now)
    // Retained, then listed again.
    await rig.list([])
    await rig.clock.advance(5 * SECOND)
    await rig.list([a, b, c])
    expect(rig.endpoint(a).usableSince).toBe(now + 5 * SECOND)
  })

  test('is refreshed each second while the client is in use, and only if it asks for it', async () => {
    const refreshed: number[] = []
    const rig = new Rig({
      policy: always(() => ({ pick: () => undefined, refresh: (now) => void refreshed.push(now) })),
    })
    await rig.start([a, b])
    const start = Math.floor(rig.clock.now())
    await rig.clock.advance(2.5 * SECOND)
    expect(refreshed).toEqual([start + SECOND, start + 2 * SECOND])
    rig.cluster.pause()
    await rig.clock.advance(5 * SECOND)
    expect(refreshed.length).toBe(2)
    rig.cluster.follow()
    await rig.clock.advance(SECOND)
    expect(refreshed.length).toBe(3)
    await rig.cluster.close()
    await rig.clock.advance(5 * SECOND)
    expect(refreshed.length).toBe(3)
  })

  test('one that throws when it is refreshed picks on, and is left alone until it is replaced', async () => {
    const closed: number[] = []
    let made = 0
    let refreshed = 0
    const rig = new Rig({
      policy: always((endpoints) => {
        const number = made++
        return {
          pick: ({ tried }) => endpoints.find((endpoint) => !tried.includes(endpoint)),
          refresh: () => {
            refreshed++
            throw new Error('out of order')
          },
          close: () => void closed.push(number),
        }
      }),
    })
    await rig.start([a, b, c])
    await rig.clock.advance(3 * SECOND)
    expect(refreshed).toBe(1)
    expect(rig.lines('the balancer threw in refresh()')).toHaveLength(1)
    expect(rig.picks).toEqual([a, b, c])
    // Panic is none of the balancer's, and goes on to follow availability.
    for (const one of [a, b]) rig.endpoint(one).restrict(restriction('unavailable'))
    expect(rig.cluster.prioritiesInPanic).toEqual([0])
    expect([refreshed, closed]).toEqual([1, []])
    await rig.list([a, b, c, d])
    expect(closed).toEqual([0])
    await rig.clock.advance(3 * SECOND)
    expect(refreshed).toBe(2)
    expect(rig.lines('the balancer threw in refresh()')).toHaveLength(2)
    await rig.cluster.close()
    expect(closed).toEqual([0, 1])
  })

  test('one that throws in a pick fails that request, and is told of once a set', async () => {
    const rig = new Rig({
      policy: always((endpoints) => ({
        pick: ({ headers }) => {
          if (headers !== undefined) throw new Error('what a header')
          return endpoints[0]
        },
      })),
    })
    await rig.start([a])
    const fail = (): unknown => rig.cluster.pick({ now: 0, tried: [], headers: {} })
    for (let n = 0; n < 3; n++) expect(fail).toThrow('what a header')
    expect(rig.picks).toEqual([a])
    expect(rig.lines('the balancer threw in pick()')).toEqual([
      expect.stringContaining('"service":"orders","during":"pick","reason":"what a header"'),
    ])
    await rig.list([a, b])
    expect(fail).toThrow('what a header')
    expect(rig.lines('the balancer threw')).toHaveLength(2)
  })

  test('one that throws in its close is replaced all the same', async () => {
    const rig = new Rig({
      policy: always((endpoints) => ({
        pick: () => endpoints.at(-1),
        close: () => {
          throw new Error('closed twice')
        },
      })),
    })
    await rig.start([a])
    await rig.list([a, b])
    expect(rig.cluster.pick({ now: 0, tried: [] })?.instance).toBe(b)
    expect(rig.lines('the balancer threw in close()')).toHaveLength(1)
  })

  test('a balancer that throws on a set leaves no observer behind, neither of that set nor of the one before', async () => {
    let broken = false
    let heard = 0
    const closed: (readonly Instance[])[] = []
    const rig = new Rig({
      governor: undefined,
      policy: always((endpoints) => {
        for (const endpoint of endpoints) endpoint.onLoadChange(() => heard++)
        if (broken) throw new Error('weights must be primes')
        // It forgets to take them back.
        return {
          pick: () => endpoints[0],
          close: () => void closed.push(endpoints.map(({ instance }) => instance)),
        }
      }),
    })
    await rig.start([a, b])
    const [gone, stays] = [rig.endpoint(a), rig.endpoint(b)]
    gone.begin()
    expect(heard).toBe(1)
    broken = true
    await rig.list([b, c])
    gone.end()
    for (const endpoint of [stays, rig.endpoint(c)]) endpoint.begin()
    expect(heard).toBe(1)
    expect(closed).toEqual([[a, b]])
    expect(rig.lines('the balancer threw')).toHaveLength(1)
  })

  test('gives one that has failed the request, where there is no other', async () => {
    const rig = new Rig()
    await rig.start([a])
    const endpoint = rig.endpoint(a)
    expect(rig.cluster.pick({ now: 0, tried: [endpoint] })).toBe(endpoint)
  })

  test('gives none twice to an attempt that is to run beside another one', async () => {
    const rig = new Rig()
    await rig.start([a, b])
    const [one, other] = [rig.endpoint(a), rig.endpoint(b)]
    expect(rig.cluster.pick({ now: 0, tried: [one] }, false)).toBe(other)
    expect(rig.cluster.pick({ now: 0, tried: [one, other] }, false)).toBeUndefined()
    expect(rig.cluster.pick({ now: 0, tried: [one, other] })).toBeDefined()
  })

  test('a balancer that throws on a set costs requests until there is another set', async () => {
    let broken = true
    const rig = new Rig({
      policy: always((endpoints) => {
        if (broken) throw new Error('weights must be primes')
        return { pick: () => endpoints[0] }
      }),
    })
    await rig.start([a])
    expect(() => rig.cluster.pick({ now: 0, tried: [] })).toThrow('weights must be primes')
    expect(rig.lines('the balancer threw; requests fail until the set changes')).toHaveLength(1)
    expect(rig.lines('the balancer threw')).toHaveLength(1)
    rig.endpoint(a).restrict(restriction('probing'))
    broken = false
    await rig.list([a, b])
    expect(rig.cluster.pick({ now: 0, tried: [] })?.instance).toBe(a)
  })

  test('an event that is none costs nothing but itself', async () => {
    const rig = new Rig()
    await rig.start([a])
    await rig.list(undefined as unknown as readonly Instance[])
    expect(rig.lines('error: a fake resolver gave a set that cannot be used')).toHaveLength(1)
    await rig.list([b])
    expect(rig.picks).toEqual([b])
  })
})

describe('a set that cannot be used', () => {
  const untagged = { ...a, tags: undefined } as unknown as Instance

  test('changes nothing, then or when a retention would have ended', async () => {
    const rig = new Rig()
    await rig.start([a, b, c])
    await rig.fail('cut off')
    const built = rig.built.length
    await rig.list([untagged], { policy: { requestTimeoutMs: 5 }, suspect: DOUBT })
    const invalid = 'a fake resolver gave a set that cannot be used; serving the last known instances'
    expect(rig.lines(invalid)).toHaveLength(1)
    const check = (): void => {
      expect(rig.cluster).toMatchObject({ freshness: { kind: 'stale' }, suspect: undefined, retained: [] })
      expect(new Set(rig.picks)).toEqual(new Set([a, b, c]))
      expect(rig.present.map(({ instance, retained }) => [instance, retained])).toEqual(
        [a, b, c].map((instance) => [instance, false]),
      )
      expect(rig.built).toHaveLength(built)
      expect(rig.lines('retaining')).toEqual([])
    }
    check()
    await rig.clock.advance(61 * SECOND)
    check()
    // What it left out is judged by the next set that can be used.
    await rig.list([a])
    expect(rig.cluster.retained.map(({ instance }) => instance)).toEqual([b, c])
    await rig.clock.advance(61 * SECOND)
    expect(rig.picks).toEqual([a])
    expect(rig.lines(invalid)).toHaveLength(1)
  })

  test('leaves what is retained as it is, and its end to its time', async () => {
    const rig = new Rig()
    await rig.start([a, b, c])
    await rig.list([a])
    await rig.list([untagged, b])
    expect(rig.cluster.retained.map(({ instance }) => instance)).toEqual([b, c])
    await rig.clock.advance(61 * SECOND)
    expect(rig.picks).toEqual([a])
  })

  test('what throws when a retention ends costs the new set, not the process', async () => {
    let broken = false
    const layer: OuterLayer = {
      *prepare() {
        yield
        if (broken) throw new Error('out of order')
      },
      wrap: (next) => next,
    }
    const rig = new Rig({ outerLayers: [layer] })
    await rig.start([a, b])
    await rig.list([])
    broken = true
    await rig.clock.advance(61 * SECOND)
    expect(rig.lines('error: a fake resolver gave a set that cannot be used')).toEqual([
      expect.stringContaining('out of order'),
    ])
    expect(rig.picks).toHaveLength(2)
    broken = false
    await rig.list([c])
    expect(rig.picks).toEqual([c])
  })
})

test('whether calls are traced is looked at again, once a second of requests', async () => {
  let level = 'info'
  const none = (): void => undefined
  const logger = { debug: none, info: none, warn: none, error: none, isLevelEnabled: () => level === 'debug' }
  const events = new Events(logTo(logger))
  const rig = new Rig({ events })
  await rig.start([a])
  const tracedAt = (now: number): boolean => {
    rig.cluster.pick({ now, tried: [] })
    return events.traced
  }
  expect(tracedAt(5000)).toBe(false)
  level = 'debug'
  expect(tracedAt(5999)).toBe(false)
  expect(tracedAt(6000)).toBe(true)
  level = 'info'
  expect(tracedAt(6999)).toBe(true)
  expect(tracedAt(7000)).toBe(false)
})

describe('while no request is made', () => {
  test('the watch ends after one to two times of idleness, and begins again with the next who asks', async () => {
    const rig = new Rig()
    await rig.start([a])
    rig.cluster.pick({ now: 0, tried: [] })
    await rig.clock.advance(IDLE_MS)
    expect(rig.resolver.watching).toBe(1)
    await rig.clock.advance(IDLE_MS - 1)
    expect(rig.resolver.watching).toBe(1)
    expect(rig.cluster.idle).toBe(false)
    await rig.clock.advance(1)
    expect(rig.resolver.watching).toBe(0)
    expect(rig.cluster).toMatchObject({ idle: true, resolved: false })
    expect(rig.clock.pending).toBe(0)
    expect(rig.lines('no request within idleMs')).toHaveLength(1)
    // Whoever asks waits for the first word.
    let woken = 0
    rig.cluster.onResolved(() => woken++)
    rig.cluster.follow()
    rig.cluster.follow()
    await rig.settle()
    expect(rig.resolver.watching).toBe(1)
    expect(rig.cluster).toMatchObject({ idle: false, resolved: false })
    expect(woken).toBe(0)
    await rig.list([b])
    expect(woken).toBe(1)
    expect(rig.picks).toEqual([b])
    await rig.cluster.close()
    expect(rig.clock.pending).toBe(0)
  })

  test('the first word may be that the set we have has to do', async () => {
    const rig = new Rig()
    await rig.start([a])
    await rig.clock.advance(IDLE_MS)
    rig.cluster.follow()
    await rig.fail('cut off')
    expect(rig.cluster.resolved).toBe(true)
    expect(rig.cluster.freshness.kind).toBe('stale')
    expect(rig.picks).toEqual([a])
  })

  test('or a saved set, which is older than the one we have', async () => {
    const rig = new Rig()
    await rig.start([a])
    await rig.clock.advance(IDLE_MS)
    rig.cluster.follow()
    await rig.list([b], { savedAt: 7 })
    expect(rig.cluster.resolved).toBe(true)
    expect(rig.picks).toEqual([a])
  })

  test('what is gone meanwhile is gone, however much it is', async () => {
    const rig = new Rig()
    await rig.start(fleet)
    await rig.clock.advance(IDLE_MS)
    rig.cluster.follow()
    await rig.list([a])
    expect(rig.picks).toEqual([a])
    expect(rig.cluster.retained).toEqual([])
  })

  test('what is retained goes in its time', async () => {
    const rig = new Rig({ idleMs: 20 * SECOND })
    await rig.start([a, b])
    await rig.list([])
    await rig.clock.advance(20 * SECOND)
    expect(rig.cluster.idle).toBe(true)
    expect(rig.cluster.endpoints).toHaveLength(2)
    await rig.clock.advance(40 * SECOND)
    expect(rig.cluster.endpoints).toEqual([])
    expect(rig.clock.pending).toBe(0)
  })

  test('a caller that waits for an answer keeps the watch', async () => {
    const rig = new Rig()
    rig.cluster.follow()
    const stop = rig.cluster.onResolved(() => undefined)
    await rig.clock.advance(3 * IDLE_MS)
    expect(rig.resolver.watching).toBe(1)
    stop()
    await rig.clock.advance(IDLE_MS)
    expect(rig.resolver.watching).toBe(0)
    expect(rig.cluster.freshness.kind).toBe('waiting')
  })

  test('it never ends without a limit', async () => {
    const rig = new Rig({ idleMs: Infinity })
    await rig.start([a])
    expect(rig.clock.pending).toBe(0)
    await rig.clock.advance(100 * IDLE_MS)
    expect(rig.cluster).toMatchObject({ idle: false, resolved: true })
  })

  test('closing', async () => {
    const rig = new Rig()
    await rig.start([a])
    const endpoint = rig.endpoint(a)
    await rig.clock.advance(IDLE_MS)
    let woken = 0
    rig.cluster.onResolved(() => woken++)
    await rig.cluster.close()
    expect(woken).toBe(1)
    expect(endpoint.retired).toBe(true)
    expect(rig.cluster).toMatchObject({ closed: true, idle: false, resolved: true })
    expect(rig.cluster.pick({ now: 0, tried: [] })).toBeUndefined()
    rig.cluster.follow()
    await rig.settle()
    expect(rig.resolver.watching).toBe(0)
    expect(rig.clock.pending).toBe(0)
  })
})

test('each who waits is woken once, unless it has stopped to wait', async () => {
  const rig = new Rig()
  rig.cluster.follow()
  const woken: string[] = []
  rig.cluster.onResolved(() => woken.push('first'))
  const stop = rig.cluster.onResolved(() => woken.push('second'))
  rig.cluster.onResolved(() => woken.push('third'))
  stop()
  await rig.list([a])
  await rig.list([b])
  await rig.fail('cut off')
  await rig.cluster.close()
  expect(woken).toEqual(['first', 'third'])
})

describe('after any sequence of sets, failures and time', () => {
  const numbers = fc.subarray([0, 1, 2, 3, 4, 5])
  const step = fc.oneof(
    fc.record({ listed: numbers, doubtful: fc.boolean() }),
    fc.record({ unreachable: fc.nat({ max: 5 }) }),
    fc.record({ ms: fc.constantFrom(1, 9000, 61_000) }),
    fc.constant('pause' as const),
  )

  test('no pick meets an endpoint that is retired, who stays is the same, and changes add up', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 15 }), async (steps) => {
        const rig = new Rig({ idleMs: Infinity })
        await rig.start(fleet.slice(0, 3))
        let before = new Map<string, Watched>()
        for (const one of steps) {
          if (one === 'pause') {
            rig.cluster.pause()
            rig.cluster.follow()
          } else if ('ms' in one) await rig.clock.advance(one.ms)
          else if ('unreachable' in one) {
            const endpoint = rig.cluster.endpoints.find(({ instance }) => instance === fleet[one.unreachable])
            endpoint?.unreachable(new Error('refused'))
            await rig.settle()
          } else {
            const listed = fleet.filter((_, index) => one.listed.includes(index))
            await rig.list(listed, one.doubtful ? { suspect: DOUBT } : {})
          }
          const { present } = rig
          const last = rig.changes.at(-1)
          const known = [...(last?.instances ?? []), ...(last?.retained ?? [])]
          // Of each that is present, and of no other: the rig looks at whether they are retired.
          expect(new Set(rig.picks)).toEqual(new Set(present.map(({ instance }) => instance)))
          expect(new Set(known)).toEqual(new Set(present.map(({ instance }) => instance)))
          for (const endpoint of present) {
            const same = before.get(endpoint.instance.key)
            if (same !== undefined) expect(endpoint).toBe(same)
          }
          for (const endpoint of before.values()) expect(endpoint.retired).toBe(!present.includes(endpoint))
          before = new Map(present.map((endpoint) => [endpoint.instance.key, endpoint]))
        }
        const told = new Set<Instance>()
        for (const { added, removed } of rig.changes) {
          for (const instance of removed) expect(told.delete(instance)).toBe(true)
          for (const instance of added) told.add(instance)
        }
        expect(told).toEqual(new Set(rig.cluster.endpoints.map(({ instance }) => instance)))
        await rig.cluster.close()
        expect(rig.clock.pending).toBe(0)
      }),
      { numRuns: 100 },
    )
  })
})

/** One balancer, whatever the registry prefers. */
function always(balancer: Balancer): BalancingPolicy {
  return { current: { balancer }, update: () => undefined }
}

/** What a circuit breaker has to say of its endpoint. */
function restriction(state: Restriction['state']): Restriction {
  const about = { reason: 'circuit_open', kind: 'health', since: 0, until: undefined } as const
  return state === 'unavailable' ? { ...about, state } : { ...about, state, busy: false }
}
