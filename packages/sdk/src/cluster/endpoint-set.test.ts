import { describe, expect, test } from 'vitest'
import { HeldTransport } from '../endpoint/attempt.test.support.js'
import { HeardAttempts } from '../endpoint/attempt.test.support.js'
import { Classifier } from '../endpoint/classify.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import { ManualClock } from '../testing/index.js'
import type { ClusterOptions } from './cluster.js'
import { fleet, Rig } from './cluster.test.support.js'

const [a, b, c] = fleet
if (a === undefined || b === undefined || c === undefined) throw new Error('there are six')

/** Ends when the test says so. */
class SlowTransport extends HeldTransport {
  readonly destroyedBy: Error[] = []
  finish: () => void = () => undefined
  readonly #finished = new Promise<void>((resolve) => (this.finish = resolve))

  override close(): Promise<void> {
    return this.#finished
  }

  override destroy(error?: Error): Promise<void> {
    if (error !== undefined) this.destroyedBy.push(error)
    return Promise.resolve()
  }
}

/** A cluster whose endpoints send nothing; and what each new one was taken for, in milliseconds. */
function held(options: Partial<ClusterOptions> = {}): {
  rig: Rig
  clock: ManualClock
  seeds: number[]
  transports: SlowTransport[]
} {
  const clock = new ManualClock()
  const seeds: number[] = []
  const transports: SlowTransport[] = []
  const rig: Rig = new Rig({
    ...options,
    clock,
    governor: undefined,
    createEndpoint: (instance, seedMs, usableSince) => {
      seeds.push(seedMs)
      return new Endpoint(instance, seedMs, usableSince, {
        createTransport: () => {
          const transport = new SlowTransport()
          transports.push(transport)
          return transport
        },
        makeBreaker: undefined,
        judges: [],
        onObserverFailed: () => undefined,
        classifier: new Classifier(),
        onAvailability: () => undefined,
        loop: new LoopWatch(clock),
        clock,
      })
    },
  })
  return { rig, clock, seeds, transports }
}

function send(rig: Rig, instance: typeof a): void {
  const endpoint = rig.cluster.endpoints.find((each) => each.instance === instance)
  endpoint?.attempt({ method: 'GET', path: '/' }, new HeardAttempts(), undefined, 0)?.send()
}

describe('the latency that a new endpoint is taken for', () => {
  test('is 30 ms where no peer was sent a request', async () => {
    const { rig, seeds } = held()
    await rig.start([a])
    await rig.list([a, b])
    expect(seeds).toEqual([30, 30])
  })

  test('is the mean of the peers that were', async () => {
    const { rig, seeds } = held()
    await rig.start([a, b])
    const [first] = rig.cluster.endpoints
    if (first === undefined) throw new Error('there are two')
    send(rig, a)
    const measuredMs = first.estimateUs(rig.clock.now()) / 1000
    first.estimateUs = () => 50_000
    await rig.list([a, b, c])
    expect([measuredMs, seeds]).toEqual([30, [30, 30, 50]])
    send(rig, b)
    await rig.list([a, b, c, fleet[3] ?? a])
    expect(seeds.at(-1)).toBe(40)
  })
})

describe('an endpoint that has left with requests in flight', () => {
  test('is waited for by close()', async () => {
    const { rig, transports } = held()
    await rig.start([a, b])
    send(rig, a)
    await rig.list([b])
    let closed = false
    void rig.cluster.close().then(() => (closed = true))
    await rig.settle()
    expect(closed).toBe(false)
    transports[0]?.finish()
    await rig.settle()
    expect(closed).toBe(true)
  })

  test('is destroyed as those that are listed are, unless its requests have ended', async () => {
    const { rig, transports } = held()
    await rig.start([a, b, c])
    for (const instance of [a, b, c]) send(rig, instance)
    await rig.list([c])
    transports[0]?.finish()
    await rig.settle()
    const reason = new Error('over')
    await rig.cluster.destroy(reason)
    expect(transports.map(({ destroyedBy }) => destroyedBy)).toEqual([[], [reason], [reason]])
    expect(rig.cluster).toMatchObject({ closed: true, idle: false })
    expect(rig.resolver.watching).toBe(0)
  })
})

describe('the drain deadline of an endpoint that has left', () => {
  const DRAIN_MS = 60_000

  test('ends what is in flight on it, at its time and not before', async () => {
    const { rig, clock, transports } = held({ drainMs: DRAIN_MS })
    await rig.start([a, b])
    send(rig, a)
    await rig.list([b])
    await clock.advance(DRAIN_MS - 1)
    expect(transports[0]?.destroyedBy).toEqual([])
    await clock.advance(1)
    expect(transports[0]?.destroyedBy.map(({ message }) => message)).toEqual([
      'orders at 10.0.0.1:1 is no longer listed, and its requests were still in flight after 60000 ms (option connections.drainMs)',
    ])
  })

  test('is over with the last of its requests', async () => {
    const { rig, clock, transports } = held({ drainMs: DRAIN_MS })
    await rig.start([a, b])
    send(rig, a)
    await rig.list([b])
    const waiting = clock.pending
    transports[0]?.finish()
    await rig.settle()
    expect(clock.pending).toBe(waiting - 1)
    await clock.advance(DRAIN_MS)
    expect(transports[0]?.destroyedBy).toEqual([])
  })

  test('is not there where it is Infinity', async () => {
    const { rig, clock, transports } = held({ drainMs: Infinity })
    await rig.start([a, b])
    send(rig, a)
    await rig.list([b])
    // Far behind the default.
    await clock.advance(10 * DRAIN_MS)
    expect(transports[0]?.destroyedBy).toEqual([])
  })
})

test('a keeper hears of each endpoint once as it comes and as it goes, and whether the cluster is in use', async () => {
  const heard: string[] = []
  const { rig, clock } = held({
    idleMs: 60_000,
    keeper: {
      add: ({ address }) => void heard.push(`add ${address}`),
      remove: ({ address }) => void heard.push(`remove ${address}`),
      start: () => void heard.push('start'),
      stop: () => void heard.push('stop'),
    },
  })
  await rig.start([a, b])
  await rig.list([b, a])
  await rig.list([b, c])
  expect(heard.splice(0)).toEqual([
    'start',
    'add 10.0.0.1:1',
    'add 10.0.0.1:2',
    'add 10.0.0.1:3',
    'remove 10.0.0.1:1',
  ])
  await clock.advance(120_000)
  expect(heard.splice(0)).toEqual(['stop'])
  rig.cluster.follow()
  expect(heard.splice(0)).toEqual(['start'])
  await rig.cluster.close()
  expect(heard).toEqual(['stop'])
  rig.cluster.follow()
  expect(heard).toEqual(['stop'])
})

test('what is new is preconnected to, once, and nothing else is', async () => {
  const { rig, transports } = held({ preconnect: 2 })
  await rig.start([a])
  await rig.list([a, b])
  await rig.list([b, a])
  await rig.list([a, b])
  expect(transports.map(({ preconnected }) => preconnected)).toEqual([[2], [2]])
})
