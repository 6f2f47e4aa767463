import { beforeEach, describe, expect, test } from 'vitest'
import type { Random } from '../random.js'
import { instanceAt, ManualClock, seededRandom } from '../testing/index.js'
import type { CheckResult } from './health-check.js'
import type { HealthCheckLimits } from './health-check-option.js'
import { HealthChecks, type CheckedEndpoint } from './health-checks.js'

const INTERVAL_MS = 10_000
const TIMEOUT_MS = 1000
const limits: HealthCheckLimits = {
  intervalMs: INTERVAL_MS,
  intervalJitterPercent: 0,
  timeoutMs: TIMEOUT_MS,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  always: false,
}

/** Draws the same each time. */
const always = (value: number): Random => ({ next: () => value, bits: () => 0 })

class Checked implements CheckedEndpoint {
  readonly instance
  readonly address: string
  requests = 0
  reason: string | undefined

  constructor(port: number) {
    this.address = `10.0.0.1:${port}`
    this.instance = instanceAt(`http://${this.address}`)
  }

  restrict({ reason }: { readonly reason: string }): void {
    this.reason = reason
  }

  lift(reason: string): void {
    if (reason === this.reason) this.reason = undefined
  }
}

interface Asked {
  readonly port: number
  readonly at: number
  cancelled: boolean
  answer(result: CheckResult): void
}

let clock: ManualClock
let asked: Asked[]
/** What a check finds at once; undefined: the test says so later. */
let found: CheckResult | undefined
let told: string[]

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  found = { kind: 'healthy' }
  told = []
})

function checksOf(options: Partial<HealthCheckLimits> = {}, random: Random = always(0.5)): HealthChecks {
  return new HealthChecks({
    limits: { ...limits, ...options },
    check: ({ origin }, answer) => {
      const one: Asked = { port: Number(new URL(origin).port), at: clock.now(), cancelled: false, answer }
      asked.push(one)
      if (found !== undefined) answer(found)
      return () => (one.cancelled = true)
    },
    onUnhealthy: ({ address }, why) => void told.push(`${address}: ${why}`),
    clock,
    random,
  })
}

/** An endpoint that is checked from now on. */
function one(checks: HealthChecks, port = 1): Checked {
  const endpoint = new Checked(port)
  checks.add(endpoint)
  checks.start()
  return endpoint
}

const times = (): number[] => asked.map(({ at }) => at)

describe('when', () => {
  test('first at a random moment of the interval, then once in each', async () => {
    one(checksOf())
    await clock.advance(4 * INTERVAL_MS)
    expect(times()).toEqual([5000, 15_000, 25_000, 35_000])
  })

  test('the jitter is a share of the interval, and added to it', async () => {
    one(checksOf({ intervalJitterPercent: 10 }, always(0.5)))
    await clock.advance(3 * INTERVAL_MS)
    expect(times()).toEqual([5000, 15_500, 26_000])
  })

  test('endpoints that come together are not checked together', async () => {
    const checks = checksOf({}, seededRandom(1))
    for (let port = 1; port <= 1000; port++) checks.add(new Checked(port))
    checks.start()
    await clock.advance(INTERVAL_MS)
    expect(asked.length).toBe(1000)
    const tenths = Array.from(
      { length: 10 },
      (_, tenth) => times().filter((at) => Math.floor(at / 1000) === tenth).length,
    )
    for (const count of tenths) expect(count).toBeGreaterThan(50)
  })

  test('one timer for all', () => {
    const checks = checksOf({}, seededRandom(1))
    for (let port = 1; port <= 100; port++) checks.add(new Checked(port))
    expect(clock.pending).toBe(0)
    checks.start()
    expect(clock.pending).toBe(1)
    checks.stop()
    expect(clock.pending).toBe(0)
  })

  test('not before the client is in use, and not twice where it is said twice', async () => {
    const checks = checksOf()
    checks.add(new Checked(1))
    await clock.advance(INTERVAL_MS)
    expect(asked.length).toBe(0)
    checks.start()
    checks.start()
    await clock.advance(INTERVAL_MS)
    expect(asked.length).toBe(1)
  })

  test('one that comes later, too', async () => {
    const checks = checksOf()
    one(checks)
    await clock.advance(INTERVAL_MS)
    checks.add(new Checked(2))
    await clock.advance(INTERVAL_MS)
    expect(asked.map(({ port }) => port).sort()).toEqual([1, 1, 2])
  })
})

describe('an endpoint that has had requests since it was looked at', () => {
  test('is not checked', async () => {
    const endpoint = one(checksOf())
    for (let n = 0; n < 3; n++) {
      endpoint.requests++
      await clock.advance(INTERVAL_MS)
    }
    expect(asked).toEqual([])
    await clock.advance(INTERVAL_MS)
    expect(asked.length).toBe(1)
  })

  test('is, with always', async () => {
    const endpoint = one(checksOf({ always: true }))
    endpoint.requests++
    await clock.advance(INTERVAL_MS)
    expect(asked.length).toBe(1)
  })

  test('is, while it is unhealthy: in a panic it gets some', async () => {
    found = { kind: 'unhealthy', why: 'it says so' }
    const endpoint = one(checksOf())
    await clock.advance(INTERVAL_MS)
    endpoint.requests++
    await clock.advance(INTERVAL_MS)
    expect(asked.length).toBe(2)
  })

  test('has its failures before that forgiven', async () => {
    found = { kind: 'unreachable', why: 'refused' }
    const endpoint = one(checksOf())
    await clock.advance(2 * INTERVAL_MS)
    endpoint.requests++
    await clock.advance(3 * INTERVAL_MS)
    expect([asked.length, endpoint.reason]).toEqual([4, undefined])
    await clock.advance(INTERVAL_MS)
    expect(endpoint.reason).toBe('health_check_failed')
  })
})

describe('an endpoint that does not answer', () => {
  beforeEach(() => (found = undefined))

  test('is unavailable after three checks, each cancelled at its time', async () => {
    const endpoint = one(checksOf())
    await clock.advance(5000 + TIMEOUT_MS - 1)
    expect(asked.map(({ cancelled }) => cancelled)).toEqual([false])
    await clock.advance(1)
    expect(asked.map(({ cancelled }) => cancelled)).toEqual([true])
    await clock.advance(INTERVAL_MS + TIMEOUT_MS)
    expect(endpoint.reason).toBe(undefined)
    await clock.advance(INTERVAL_MS + TIMEOUT_MS)
    expect(endpoint.reason).toBe('health_check_failed')
    expect(told).toEqual(['10.0.0.1:1: no answer within 1000 ms'])
    // The next one is an interval behind the end of the one before.
    expect(times()).toEqual([5000, 16_000, 27_000])
  })

  test('has as much time again where it was our own event loop that stood still', async () => {
    one(checksOf())
    await clock.advance(5000)
    clock.holdUp(5 * TIMEOUT_MS)
    await clock.advance(0)
    expect(asked[0]?.cancelled).toBe(false)
    await clock.advance(TIMEOUT_MS - 1)
    expect(asked[0]?.cancelled).toBe(false)
    // And once only.
    clock.holdUp(5 * TIMEOUT_MS)
    await clock.advance(0)
    expect(asked[0]?.cancelled).toBe(true)
  })

  test('and answers after its time is not heard', async () => {
    const endpoint = one(checksOf({ unhealthyThreshold: 1 }))
    await clock.advance(5000 + TIMEOUT_MS)
    const [first] = asked
    first?.answer({ kind: 'healthy' })
    first?.answer({ kind: 'healthy' })
    expect(endpoint.reason).toBe('health_check_failed')
    await clock.advance(INTERVAL_MS)
    // Nor while the next one is under way.
    first?.answer({ kind: 'healthy' })
    first?.answer({ kind: 'healthy' })
    expect([asked.length, endpoint.reason]).toEqual([2, 'health_check_failed'])
  })
})

test('an endpoint that fails and comes back', async () => {
  const endpoint = one(checksOf())
  found = { kind: 'unhealthy', why: 'it says so' }
  await clock.advance(INTERVAL_MS)
  expect([endpoint.reason, told]).toEqual(['health_check_failed', ['10.0.0.1:1: it says so']])
  found = { kind: 'healthy' }
  await clock.advance(INTERVAL_MS)
  expect(endpoint.reason).toBe('health_check_failed')
  await clock.advance(INTERVAL_MS)
  expect(endpoint.reason).toBe(undefined)
})

test('a check that throws is one that failed, and the next one comes', async () => {
  const endpoint = new Checked(1)
  let count = 0
  const checks = new HealthChecks({
    limits: { ...limits, unhealthyThreshold: 2 },
    check: () => {
      count++
      throw new TypeError('Invalid URL')
    },
    onUnhealthy: (_endpoint, why) => void told.push(why),
    clock,
    random: always(0),
  })
  checks.add(endpoint)
  checks.start()
  await clock.advance(INTERVAL_MS)
  expect([count, endpoint.reason, told]).toEqual([2, 'health_check_failed', ['Invalid URL']])
})

describe('an endpoint that leaves', () => {
  test('is not checked any more', async () => {
    const checks = checksOf()
    const endpoint = one(checks)
    checks.remove(endpoint)
    checks.remove(endpoint)
    expect(clock.pending).toBe(0)
    await clock.advance(2 * INTERVAL_MS)
    expect(asked).toEqual([])
  })

  test('has its check cancelled', async () => {
    found = undefined
    const checks = checksOf()
    const endpoint = one(checks)
    await clock.advance(INTERVAL_MS / 2)
    checks.remove(endpoint)
    expect([asked[0]?.cancelled, clock.pending]).toEqual([true, 0])
    asked[0]?.answer({ kind: 'unhealthy', why: 'it says so' })
    expect([endpoint.reason, clock.pending]).toEqual([undefined, 0])
  })

  test('by what is made of its check, has no timer left', async () => {
    found = { kind: 'unhealthy', why: 'it says so' }
    const checks = checksOf()
    const endpoint = one(checks)
    endpoint.restrict = () => checks.remove(endpoint)
    await clock.advance(INTERVAL_MS)
    expect([asked.length, clock.pending]).toEqual([1, 0])
  })
})

test('a client that is idle checks nothing; in use again, first of all what was unhealthy', async () => {
  const checks = checksOf()
  found = { kind: 'unhealthy', why: 'it says so' }
  const bad = one(checks, 1)
  await clock.advance(INTERVAL_MS)
  found = undefined
  const good = one(checks, 2)
  await clock.advance(INTERVAL_MS / 2)
  expect(asked.map(({ port, cancelled }) => [port, cancelled])).toEqual([
    [1, false],
    [1, false],
    [2, false],
  ])
  checks.stop()
  checks.stop()
  expect(asked.map(({ cancelled }) => cancelled)).toEqual([false, true, true])
  expect(clock.pending).toBe(0)
  await clock.advance(100 * INTERVAL_MS)
  expect(asked.length).toBe(3)
  expect([bad.reason, good.reason]).toEqual(['health_check_failed', undefined])
  found = { kind: 'healthy' }
  checks.start()
  await clock.advance(0)
  expect(asked.slice(3).map(({ port }) => port)).toEqual([1])
})

describe('so many at a time', () => {
  const MOST = 100

  beforeEach(() => (found = undefined))

  /** All are due at once. */
  async function crowd(): Promise<{ checks: HealthChecks; endpoints: Checked[] }> {
    const checks = checksOf({}, always(0))
    const endpoints = Array.from({ length: MOST + 50 }, (_, index) => new Checked(1000 + index))
    for (const endpoint of endpoints) checks.add(endpoint)
    checks.start()
    await clock.advance(0)
    return { checks, endpoints }
  }

  test('the others follow as these end, in their order', async () => {
    await crowd()
    expect(asked.length).toBe(MOST)
    const next = (): (number | undefined)[] => asked.slice(MOST).map(({ port }) => port)
    const before = new Set(asked.map(({ port }) => port))
    asked[0]?.answer({ kind: 'healthy' })
    asked[1]?.answer({ kind: 'unhealthy', why: 'it says so' })
    expect(next().length).toBe(2)
    expect(next().some((port) => port !== undefined && before.has(port))).toBe(false)
    // Those that are silent make room as well.
    await clock.advance(TIMEOUT_MS)
    expect(new Set(asked.map(({ port }) => port)).size).toBe(MOST + 50)
  })

  test('with one check that ends, all that were used are passed over', async () => {
    const { endpoints } = await crowd()
    const begun = new Set(asked.map(({ port }) => port))
    const waiting = endpoints.filter((_, index) => !begun.has(1000 + index))
    for (const endpoint of waiting.slice(0, -1)) endpoint.requests++
    asked[0]?.answer({ kind: 'healthy' })
    expect(asked.slice(MOST).map(({ port }) => `10.0.0.1:${port}`)).toEqual([waiting.at(-1)?.address])
  })

  test('what leaves makes room, and what has left while it waited is not checked', async () => {
    const { checks, endpoints } = await crowd()
    const begun = new Set(asked.map(({ port }) => port))
    const waiting = endpoints.filter((_, index) => !begun.has(1000 + index))
    for (const endpoint of waiting.slice(1)) checks.remove(endpoint)
    for (const endpoint of endpoints.filter((_, index) => begun.has(1000 + index))) checks.remove(endpoint)
    expect(asked.slice(MOST).map(({ port }) => `10.0.0.1:${port}`)).toEqual([waiting[0]?.address])
    checks.stop()
    expect(clock.pending).toBe(0)
  })
})
