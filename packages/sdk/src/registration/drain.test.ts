import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Logger } from '../logger.js'
import { hangUp, healthEntry, hold, ManualClock, refuse, seededRandom } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import type { DrainOptions } from './drain-options.js'
import { FakeAgent, letGo } from '../test-support/fake-agent.test.support.js'
import { register } from './register.js'
import type { Registration } from './registration.js'

let agent: FakeAgent
let clock: ManualClock
let warnings: string[]
let logger: Logger
let registration: Registration

beforeEach(async () => {
  // Its own, as an instance that a test leaves behind goes on.
  const said: string[] = (warnings = [])
  logger = {
    info: () => undefined,
    warn: (_, message) => said.push(message),
    error: (_, message) => said.push(message),
  }
  clock = new ManualClock()
  agent = await FakeAgent.start('o1')
  registration = register({
    name: 'orders',
    port: 8080,
    id: 'o1',
    consul: { address: agent.address },
    clock,
    logger,
    random: seededRandom(1),
  })
})

afterEach(async () => {
  await letGo(registration, clock)
  await agent.close()
})

const healthy = (): object => healthEntry(8080, { service: { ID: 'o1', Meta: agent.meta } })

function inMaintenance(reason: string, checkId = '_service_maintenance:o1', node = 'node-1'): object {
  const checks = [{ CheckID: checkId, Status: 'critical', Notes: reason, ServiceID: 'o1' }]
  const meta = node === 'node-1' ? agent.meta : { 'fairlead-owner': 'another' }
  return healthEntry(8080, { node: { Node: node }, service: { ID: 'o1', Meta: meta }, checks })
}

/** Waits until the agent has been told of the maintenance, and gives the reason. */
async function reasonGiven(): Promise<string> {
  const last = (): string => agent.calls.findLast(({ name }) => name === 'maintenance')?.target ?? ''
  await until(() => last().includes('enable=true'))
  return new URLSearchParams(last().split('?')[1]).get('reason') ?? ''
}

/** From its maintenance on, the catalog has it so, and these: a query that came before would wait for the clock. */
function seenAtOnce(others: readonly object[] = []): void {
  agent.next('maintenance', (request, response) => {
    const reason = new URL(request.url ?? '', agent.address).searchParams.get('reason') ?? ''
    agent.consul.serve('orders', [...others, inMaintenance(reason)])
    response.end()
  })
}

/** A drain whose steps are written down, and whose `finish` ends when the test says so. */
function drain(options: DrainOptions = {}): {
  readonly report: Promise<unknown>
  readonly finishing: boolean
  readonly aborted: boolean
  readonly finish: () => void
} {
  let signal: AbortSignal | undefined
  let finish: (() => void) | undefined
  const report = registration.drain({
    finish: (given) => {
      signal = given
      return new Promise<void>((resolve) => (finish = resolve))
    },
    ...options,
  })
  return {
    report,
    get finishing() {
      return signal !== undefined
    },
    get aborted() {
      return signal?.aborted === true
    },
    finish: () => finish?.(),
  }
}

const queries = (): number => agent.consul.queries.length

describe('in order', () => {
  test('maintenance, seen, settled, finished, deregistered', async () => {
    await registration.ready()
    agent.consul.serve('orders', [healthy()])
    const draining = drain()
    const reason = await reasonGiven()
    expect(reason).toMatch(/^draining since 2030-01-01T00:00:00.000Z: pid \d+ on /)
    expect(registration.inspect()).toMatchObject({ state: 'draining', maintenance: reason })
    // The catalog has it as healthy: a query that blocks waits for a change of that.
    await until(() => queries() === 1 && clock.nextDelayMs === 100)
    await clock.advance(100)
    await until(() => queries() === 2)
    expect(agent.consul.queries[1]).toMatchObject({ index: '2', wait: '5000ms' })
    expect(agent.consul.requests.at(-1)?.query.get('filter')).toBe('Service.ID == "o1"')
    agent.consul.serve('orders', [inMaintenance(reason)])
    await until(() => agent.consul.pending === 0 && clock.nextDelayMs === 1000)
    await clock.advance(999)
    expect(draining.finishing).toBe(false)
    await clock.advance(1)
    expect(draining.finishing).toBe(true)
    await clock.advance(2000)
    expect(agent.names).not.toContain('deregister')
    draining.finish()
    expect(await draining.report).toEqual({ confirmed: true, finished: true, deregistered: true })
    expect(registration.inspect().state).toBe('deregistered')
    expect(warnings).toEqual([])
    expect(clock.pending).toBe(0)
  })

  test('asked again, it is the same drain', async () => {
    await registration.ready()
    seenAtOnce()
    const first = registration.drain({ settleMs: 0 })
    const second = registration.drain({ settleMs: 0 })
    expect(await first).toBe(await second)
    await expect(registration.maintenance(false)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('a heartbeat is given while it finishes', async () => {
    await registration.ready()
    seenAtOnce()
    const draining = drain({ settleMs: 0 })
    await until(() => draining.finishing && agent.consul.pending === 0)
    const before = agent.calls.length
    await clock.advance(5000)
    await until(() => agent.calls.length > before)
    expect(agent.calls.at(-1)).toMatchObject({ name: 'update', body: { Status: 'passing' } })
    draining.finish()
    await draining.report
  })
})

describe('what counts as seen', () => {
  const confirmed = async (
    entries: readonly object[],
    draining = drain({ settleMs: 0 }),
  ): Promise<unknown> => {
    agent.consul.serve('orders', entries)
    await until(() => draining.finishing)
    draining.finish()
    return draining.report
  }

  test('a maintenance set by someone else, of the instance or of its node', async () => {
    await registration.ready()
    expect(await confirmed([inMaintenance('for a reason of mine')])).toMatchObject({ confirmed: true })
  })

  test('that of the whole node', async () => {
    await registration.ready()
    expect(await confirmed([inMaintenance('node down', '_node_maintenance')])).toMatchObject({
      confirmed: true,
    })
  })

  test('ours, though an instance of another agent has the same id', async () => {
    await registration.ready()
    agent.consul.serve('orders', [healthy()])
    seenAtOnce([healthEntry(8080, { node: { Node: 'node-2' }, service: { ID: 'o1' } })])
    const draining = drain({ settleMs: 0 })
    await until(() => draining.finishing)
    draining.finish()
    expect(await draining.report).toMatchObject({ confirmed: true })
  })

  test('that it is there no more, if it was', async () => {
    await registration.ready()
    agent.consul.serve('orders', [healthy()])
    const draining = drain({ settleMs: 0 })
    await until(() => queries() === 1 && clock.nextDelayMs === 100)
    await clock.advance(100)
    await until(() => queries() === 2)
    expect(await confirmed([], draining)).toMatchObject({ confirmed: true })
  })

  test('not: the same id elsewhere, in maintenance, while ours is not yet', async () => {
    await registration.ready()
    const draining = drain({ settleMs: 0, confirmMs: 1000 })
    await reasonGiven()
    agent.consul.serve('orders', [healthy(), inMaintenance('another', undefined, 'node-2')])
    await until(() => queries() > 0)
    await clock.advance(1000)
    await until(() => draining.finishing)
    draining.finish()
    expect(await draining.report).toMatchObject({ confirmed: false })
  })

  test('not: nothing at all, as from a token that may not see it', async () => {
    agent.consul.serve('orders', [])
    await registration.ready()
    const draining = drain({ settleMs: 0 })
    await until(() => queries() === 1)
    await clock.advance(4999)
    expect(draining.finishing).toBe(false)
    await clock.advance(1)
    await until(() => draining.finishing)
    draining.finish()
    expect(await draining.report).toEqual({ confirmed: false, finished: true, deregistered: true })
    expect(warnings).toEqual([
      'Consul has not shown the drain to clients within confirmMs; draining all the same; some may send requests until the instance is deregistered',
    ])
  })

  test('an agent that has forgotten it, and so has the catalog', async () => {
    agent.consul.serve('orders', [])
    await registration.ready()
    agent.next('maintenance', refuse(404, 'No service registered with ID "o1"'))
    const draining = drain({ settleMs: 0 })
    await until(() => draining.finishing)
    draining.finish()
    expect(await draining.report).toMatchObject({ confirmed: true })
    // It is about to be deregistered: it is not registered again.
    expect(agent.names.filter((name) => name === 'register')).toHaveLength(1)
  })
})

describe('without Consul', () => {
  test('it takes no longer than the time for it, and the instance leaves', async () => {
    await registration.ready()
    for (const name of ['maintenance', 'update', 'deregister'] as const) agent.always(name, hangUp())
    const draining = drain()
    await until(() => agent.names.filter((name) => name === 'maintenance').length === 2)
    await clock.advance(4999)
    expect(draining.finishing).toBe(false)
    await clock.advance(1)
    await clock.advance(1000)
    await until(() => draining.finishing)
    draining.finish()
    await until(() => agent.names.includes('deregister'))
    await clock.advance(3000)
    expect(await draining.report).toEqual({ confirmed: false, finished: true, deregistered: false })
    expect(warnings.at(-1)).toContain('deregistering the instance failed; Consul removes it once')
  })

  test('an agent that holds every query holds up nothing', async () => {
    await registration.ready()
    agent.always('maintenance', hold())
    const draining = drain({ settleMs: 0 })
    await until(() => agent.names.filter((name) => name === 'maintenance').length === 2)
    await clock.advance(5000)
    await until(() => draining.finishing)
    draining.finish()
    expect(await draining.report).toMatchObject({ confirmed: false, deregistered: true })
  })

  test('what was never registered is not waited for', async () => {
    agent.always('register', hangUp())
    agent.always('deregister', hangUp())
    const other = register({
      name: 'stock',
      port: 1,
      id: 'o2',
      consul: { address: 'http://127.0.0.1:1' },
      clock,
      logger,
    })
    await until(() => other.inspect().lastError !== undefined)
    expect(await other.drain()).toEqual({ confirmed: true, finished: true, deregistered: false })
    expect(clock.now()).toBe(0)
  })
})

describe('the deadline', () => {
  test('ends waiting for what is in flight, and the instance leaves', async () => {
    await registration.ready()
    seenAtOnce()
    const draining = drain({ deadlineMs: 2000, settleMs: 0 })
    await until(() => draining.finishing)
    await clock.advance(1999)
    expect(draining.aborted).toBe(false)
    await clock.advance(1)
    expect(draining.aborted).toBe(true)
    expect(await draining.report).toEqual({ confirmed: true, finished: false, deregistered: true })
    expect(warnings).toEqual([
      'the drain has not finished within deadlineMs; deregistering the instance all the same',
    ])
  })

  test('that comes before all else leaves no time for it', async () => {
    await registration.ready()
    agent.consul.serve('orders', [healthy()])
    const draining = drain({ deadlineMs: 500 })
    await reasonGiven()
    await clock.advance(500)
    expect(await draining.report).toEqual({ confirmed: false, finished: false, deregistered: true })
    expect(draining.aborted).toBe(true)
  })

  test('what finish throws is thrown, once the instance is gone', async () => {
    await registration.ready()
    seenAtOnce()
    const draining = registration.drain({ settleMs: 0, finish: () => Promise.reject(new Error('mine')) })
    await expect(draining).rejects.toThrow('mine')
    expect(agent.names.at(-1)).toBe('deregister')
    expect(clock.pending).toBe(0)
  })
})

test('an invalid option is rejected, and nothing begins', async () => {
  await registration.ready()
  await expect(registration.drain({ settleMs: -1 })).rejects.toThrow(
    'settleMs is -1: it must be a whole number',
  )
  expect(registration.inspect().state).toBe('registered')
})
