import { describe, expect, test } from 'vitest'
import type { Balancer, PickContext, PickReport } from '../balance/picker.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { fleet, Rig } from './cluster.test.support.js'
import type { BalancingPolicy } from './cluster.js'
import type { OuterLayer } from './live-picker.js'

const [a, b] = fleet
if (a === undefined || b === undefined) throw new Error('there are six')

const FIRST: PickContext<Endpoint> = { now: 0, tried: [] }

function always(balancer: Balancer): BalancingPolicy {
  return { current: { balancer }, update: () => undefined }
}

test('explain() reports how the balancer picks, and has nothing to say before the first set', async () => {
  const steps: string[] = []
  const report: PickReport<Endpoint> = {
    step: (text) => steps.push(text),
    compared: () => undefined,
    skipped: () => undefined,
  }
  const rig = new Rig()
  expect([rig.cluster.explain(FIRST, report), steps]).toEqual([undefined, []])
  await rig.start([a])
  expect(rig.cluster.explain(FIRST, report)?.instance).toBe(a)
  expect(steps.length).toBeGreaterThan(0)
})

describe('outer layers', () => {
  /** Notes what it hears, under its name. */
  function layer(name: string, heard: string[]): OuterLayer {
    return {
      *prepare(endpoints) {
        heard.push(`${name} prepares ${[...endpoints].length}`)
        yield
      },
      wrap(next, endpoints) {
        heard.push(`${name} wraps ${endpoints.length}`)
        return {
          needsRefresh: next.needsRefresh,
          inPanic: next.inPanic,
          pick: (context) => {
            heard.push(name)
            return next.pick(context)
          },
          refresh: (now) => next.refresh(now),
        }
      },
    }
  }

  test('are made ready for each set and wrapped from the inside out; a pick meets the last of them first', async () => {
    const heard: string[] = []
    const rig = new Rig({ outerLayers: [layer('inner', heard), layer('outer', heard)] })
    await rig.start([a, b])
    rig.cluster.pick(FIRST)
    expect(heard).toEqual([
      'inner prepares 2',
      'outer prepares 2',
      'inner wraps 2',
      'outer wraps 2',
      'outer',
      'inner',
    ])
  })

  test('are passed by where each endpoint has been tried, with the rest of what is known of the request', async () => {
    const heard: string[] = []
    const seen: PickContext[] = []
    const balancer: Balancer = (endpoints) => ({
      pick: (context) => {
        seen.push(context)
        return endpoints.find((endpoint) => !context.tried.includes(endpoint))
      },
    })
    const rig = new Rig({ policy: always(balancer), outerLayers: [layer('outer', heard)] })
    await rig.start([a])
    heard.length = 0
    const hash = { high: 1, low: 2 }
    const headers = { cookie: 'a=b' }
    const context = { now: 7, tried: rig.cluster.endpoints, hash, headers, idempotent: true }
    expect(rig.cluster.pick(context)?.instance).toBe(a)
    expect(heard).toEqual(['outer'])
    const last = seen.at(-1)
    expect([last?.now, last?.tried, last?.hash, last?.headers, last?.idempotent]).toEqual([
      7,
      [],
      hash,
      headers,
      true,
    ])
  })

  test('are asked once for a request that has tried no endpoint', async () => {
    const heard: string[] = []
    let picks = 0
    const balancer: Balancer = () => ({
      pick: () => {
        picks++
        return undefined
      },
    })
    const rig = new Rig({ policy: always(balancer), outerLayers: [layer('outer', heard)] })
    await rig.start([a])
    expect(rig.cluster.pick(FIRST)).toBeUndefined()
    expect(picks).toBe(1)
  })
})

describe('a picker that is replaced', () => {
  test('is closed before the next one is made, and observes no load any more', async () => {
    const heard: string[] = []
    let made = 0
    const balancer: Balancer = (endpoints) => {
      const number = ++made
      heard.push(`make ${number}`)
      for (const endpoint of endpoints) {
        endpoint.onLoadChange(() => heard.push(`load ${number}`))
      }
      return { pick: () => endpoints[0], close: () => void heard.push(`close ${number}`) }
    }
    const rig = new Rig({ policy: always(balancer) })
    await rig.start([a])
    await rig.list([a, b])
    rig.endpoint(a).begin()
    expect(heard).toEqual(['make 1', 'close 1', 'make 2', 'load 2'])
  })

  test('and throws when it is closed, is reported, and keeps no other from serving', async () => {
    const balancer: Balancer = (endpoints) => ({
      pick: () => endpoints[0],
      close: () => {
        throw new Error('cannot close')
      },
    })
    const rig = new Rig({ policy: always(balancer) })
    await rig.start([a])
    await rig.list([b])
    expect(rig.cluster.pick(FIRST)?.instance).toBe(b)
    expect(rig.lines('cannot close')).toHaveLength(1)
  })
})

test('a cluster is waited for until the last that waits has stopped to', () => {
  const rig = new Rig()
  const { pending } = rig.clock
  const stops = [rig.cluster.onResolved(() => undefined), rig.cluster.onReady(2, () => undefined)]
  const held = rig.clock.pending
  expect(held).toBeGreaterThan(pending)
  stops[0]?.()
  expect(rig.clock.pending).toBe(held)
  stops[1]?.()
  expect(rig.clock.pending).toBe(pending)
})
