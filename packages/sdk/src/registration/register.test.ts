import { afterEach, describe, expect, test } from 'vitest'
import type { Timer } from '../clock.js'
import type { FairleadError } from '../errors.js'
import type { Logger } from '../logger.js'
import type { Random } from '../random.js'
import { hangUp, hold, ManualClock, refuse, seededRandom } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { FakeAgent, letGo } from '../test-support/fake-agent.test.support.js'
import { register } from './register.js'
import type { RegisterOptions } from './options.js'
import type { Registration } from './registration.js'

/** Knows which of its timers are limits for an answer: while there is one, something is on its way. */
class WatchedClock extends ManualClock {
  readonly #limits = new Set<Timer>()

  override setTimer(callback: () => void, delayMs: number): Timer {
    const timer = super.setTimer(() => {
      this.#limits.delete(timer)
      callback()
    }, delayMs)
    if (delayMs === 5000 || delayMs === 30_000) this.#limits.add(timer)
    return timer
  }

  override clearTimer(timer: Timer): void {
    this.#limits.delete(timer)
    super.clearTimer(timer)
  }

  /** Is nothing on its way? From one call to the next there is no turn of the event loop in which it would seem so. */
  get resting(): boolean {
    return this.#limits.size === 0 && this.pending > 0
  }
}

let agent: FakeAgent
let clock: WatchedClock
let lines: string[]
let logger: Logger
let registration: Registration

afterEach(async () => {
  await letGo(registration, clock)
  await agent.close()
})

/** Always this number: the jitter at an end of its range. */
function fixed(value: number): Random {
  return { next: () => value, bits: () => 0 }
}

const EARLIEST = fixed(0)
const LATEST = fixed(1 - 1e-6)

/** The answer of an agent that thinks so of an instance, and of each of these checks. */
function seenAs(status: string, checks: Readonly<Record<string, string>>): string {
  const entries = Object.entries(checks)
  const Checks = entries.map(([CheckID, Status]) => ({ CheckID, Status }))
  return JSON.stringify({ AggregatedStatus: status, Checks })
}

async function start(
  options: Partial<RegisterOptions> = {},
  prepare: (agent: FakeAgent) => void = () => undefined,
  checkIds?: readonly string[],
): Promise<Registration> {
  // Its own, as an instance that a test leaves behind goes on.
  const said: string[] = (lines = [])
  logger = {
    info: (_, message) => said.push(`info: ${message}`),
    warn: (fields, message) => said.push(`warn: ${message} ${JSON.stringify(fields)}`),
    error: (fields, message) => said.push(`error: ${message} ${JSON.stringify(fields)}`),
  }
  clock = new WatchedClock()
  agent = await FakeAgent.start('o1', checkIds)
  prepare(agent)
  registration = register({
    name: 'orders',
    port: 8080,
    id: 'o1',
    consul: { address: agent.address },
    clock,
    logger,
    random: seededRandom(1),
    ...options,
  })
  return registration
}

/** Until nothing is on its way, and the next round waits for its time. */
async function settled(calls: number): Promise<void> {
  await until(() => agent.calls.length >= calls && clock.resting)
  expect(agent.names).toHaveLength(calls)
}

const dead = (reason: string): RegExp =>
  new RegExp(`^warn: ${reason}; retrying .*"service":"orders","id":"o1","reason":"Consul at`)

describe('the first round', () => {
  test('registers, ends any maintenance that Consul has kept, and sends heartbeats', async () => {
    const registration = await start({ weights: { passing: 5 }, meta: { version: '2' }, tags: ['a'] })
    expect(registration.inspect().state).toBe('registering')
    await registration.ready()
    expect(registration.inspect()).toMatchObject({ state: 'registered', service: 'orders', id: 'o1' })
    expect(agent.calls).toMatchObject([
      {
        name: 'register',
        target: '?replace-existing-checks=true',
        body: {
          ID: 'o1',
          Name: 'orders',
          Port: 8080,
          Tags: ['a'],
          Meta: { version: '2' },
          Weights: { Passing: 5, Warning: 1 },
          EnableTagOverride: false,
          Checks: [
            {
              CheckID: 'service:o1',
              TTL: '15000ms',
              Status: 'passing',
              DeregisterCriticalServiceAfter: '600000ms',
            },
          ],
        },
      },
      { name: 'maintenance', target: 'o1?enable=false' },
      { name: 'update', target: 'service:o1', body: { Status: 'passing', Output: 'alive' } },
    ])
    expect(lines).toEqual(['info: registered'])
  })

  test('is tried again with growing pauses while the agent is away, and says so once', async () => {
    const registration = await start({ random: EARLIEST }, (agent) => agent.always('register', hangUp()))
    // Equal jitter: half of 250, 500, 1000, 2000, 4000, 5000, 5000 at least.
    for (const [index, pauseMs] of [125, 250, 500, 1000, 2000, 2500, 2500].entries()) {
      await settled(index + 1)
      await clock.advance(pauseMs - 1)
      expect(clock.resting).toBe(true)
      await clock.advance(1)
    }
    await settled(8)
    expect(lines).toEqual([
      expect.stringMatching(
        dead('registering the instance failed; clients do not see it until that succeeds'),
      ),
    ])
    expect(registration.inspect()).toMatchObject({
      state: 'registering',
      lastError: { message: expect.stringContaining('could not be reached') as string, at: clock.unixTime() },
    })
    agent.always('register', undefined)
    await clock.advance(5000)
    await registration.ready()
    expect(lines.slice(1)).toEqual(['info: registered'])
  })

  test('no pause is longer than 5 s', async () => {
    await start({ random: LATEST }, (agent) => agent.always('register', hangUp()))
    for (let attempts = 1; attempts < 12; attempts++) {
      await settled(attempts)
      await clock.advance(5000)
    }
    await settled(12)
  })

  test('an agent that never answers is given 5 s', async () => {
    const registration = await start({}, (agent) => agent.next('register', hold()))
    await until(() => agent.calls.length === 1)
    await clock.advance(4999)
    expect(registration.inspect().lastError).toBeUndefined()
    await clock.advance(1)
    await until(() => registration.inspect().lastError !== undefined)
    expect(registration.inspect().lastError?.message).toContain('has not answered')
    await clock.advance(250)
    await registration.ready()
  })

  test('a rejection by the agent is logged as an error, for a person to mend', async () => {
    const registration = await start({}, (agent) => agent.always('register', refuse(400, 'Invalid Weights')))
    await until(() => lines.length === 1)
    expect(lines[0]).toMatch(/^error: registering the instance failed; .*answered 400 \(Invalid Weights\)/)
    const late = expect(registration.ready({ timeoutMs: 100 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringMatching(/^o1 is not registered after 100 ms: .*\(Invalid Weights\)/) as string,
    })
    await clock.advance(100)
    await late
  })

  test('a rejection says what to set', async () => {
    await start({}, (agent) => agent.always('register', refuse(403, 'Permission denied')))
    await until(() => lines.length === 1)
    expect(lines[0]).toContain('no token is sent; set CONSUL_HTTP_TOKEN')
  })
})

describe('heartbeats', () => {
  test.for([
    ['at the earliest', EARLIEST, 4000],
    ['at the latest', LATEST, 5000],
  ] as const)('come at a third of the TTL, %s', async ([, random, ms]) => {
    const registration = await start({ random })
    await registration.ready()
    for (let heartbeats = 1; heartbeats < 4; heartbeats++) {
      await settled(2 + heartbeats)
      await clock.advance(ms - 1)
      expect(clock.resting).toBe(true)
      await clock.advance(1)
    }
    await settled(6)
    expect(agent.names.slice(2)).toEqual(['update', 'update', 'update', 'update'])
  })

  test('of a slow agent are not later for it', async () => {
    const registration = await start({ random: LATEST })
    await registration.ready()
    await settled(3)
    agent.next('update', (_, response) => setTimeout(() => response.end(), 50))
    await clock.advance(5000)
    await until(() => agent.calls.length === 4)
    await clock.advance(3000)
    await settled(4)
    await clock.advance(2000)
    await settled(5)
  })

  test('carry what the application reports, at once and from then on', async () => {
    const registration = await start({ random: EARLIEST })
    await registration.ready()
    await settled(3)
    registration.report('warning', 'queue is long')
    await settled(4)
    await clock.advance(4000)
    await settled(5)
    // Only in other words: that can wait.
    registration.report('warning', 'queue is longer')
    expect(clock.resting).toBe(true)
    await clock.advance(4000)
    await settled(6)
    registration.report('passing')
    await settled(7)
    expect(agent.calls.slice(3).map(({ body }) => body)).toEqual([
      { Status: 'warning', Output: 'queue is long' },
      { Status: 'warning', Output: 'queue is long' },
      { Status: 'warning', Output: 'queue is longer' },
      { Status: 'passing', Output: 'alive' },
    ])
  })

  test('that are reported while one is on its way follow it', async () => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    let release: (() => void) | undefined
    agent.next('update', (_, response) => (release = () => response.end()))
    registration.report('warning')
    await until(() => release !== undefined)
    registration.report('critical', 'out of memory')
    release?.()
    await settled(5)
    expect(agent.calls[4]?.body).toEqual({ Status: 'critical', Output: 'out of memory' })
  })

  test('go to each check of kind ttl, and the agent is asked about the others', async () => {
    const checks = [
      { kind: 'ttl', ttlMs: 3000 },
      { kind: 'ttl', id: 'mine', ttlMs: 60_000 },
      { kind: 'tcp' },
    ] as const
    const registration = await start({ checks, random: EARLIEST }, undefined, ['service:o1:1', 'mine'])
    await registration.ready()
    await settled(5)
    await clock.advance(800)
    await settled(8)
    expect(agent.calls.slice(5).map(({ name, target }) => `${name} ${target}`)).toEqual([
      'update service:o1:1',
      'update mine',
      'status o1',
    ])
  })

  test('need a check of that kind', async () => {
    const registration = await start({ checks: [] })
    expect(() => registration.report('warning')).toThrow(
      'checks is []: it must be a list with one of kind ttl',
    )
    expect(() => registration.report('fine' as 'passing')).toThrow("status is 'fine': it must be passing")
  })
})

describe('an agent that fails later', () => {
  test('is warned of once, heartbeats are retried soon, and all goes on', async () => {
    const registration = await start({ random: EARLIEST })
    await registration.ready()
    await settled(3)
    agent.always('update', hangUp())
    await clock.advance(4000)
    for (const [index, pauseMs] of [125, 250, 500, 1000].entries()) {
      await settled(4 + index)
      await clock.advance(pauseMs)
    }
    await settled(8)
    expect(registration.inspect().state).toBe('registered')
    agent.always('update', undefined)
    await clock.advance(5000)
    await settled(9)
    expect(lines).toEqual([
      'info: registered',
      expect.stringMatching(dead('keeping the instance registered failed')),
      expect.stringMatching(/^info: Consul at .* answers again$/),
    ])
  })

  test('is left alone by reports meanwhile', async () => {
    const registration = await start({ random: EARLIEST })
    await registration.ready()
    await settled(3)
    agent.always('update', hangUp())
    await clock.advance(4000)
    await settled(4)
    for (const status of ['warning', 'critical', 'warning'] as const) registration.report(status)
    expect(clock.resting).toBe(true)
    agent.always('update', undefined)
    await clock.advance(125)
    await settled(5)
    expect(agent.calls[4]?.body).toMatchObject({ Status: 'warning' })
  })

  test.for([
    [500, 'CheckID "service:o1" does not have associated TTL'],
    [500, 'Unknown check "service:o1"'],
    [404, 'Unknown check ID "service:o1". Ensure that the check ID is passed, not the check name.'],
  ] as const)('and has forgotten, %s %s, is registered with again at once', async ([status, text]) => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    registration.report('warning', 'as it was')
    await settled(4)
    agent.next('update', refuse(status, text))
    await clock.advance(5000)
    await settled(8)
    expect(agent.names.slice(4)).toEqual(['update', 'register', 'maintenance', 'update'])
    expect(agent.calls[5]?.body).toMatchObject({ Checks: [{ Status: 'warning' }] })
    expect(agent.calls[7]?.body).toEqual({ Status: 'warning', Output: 'as it was' })
    expect(lines).toEqual(['info: registered', expect.stringContaining('; registering the instance again')])
    expect(registration.inspect().state).toBe('registered')
  })

  test('that has no leader is not one that has forgotten', async () => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    agent.next('update', refuse(500, 'No cluster leader'))
    await clock.advance(5000)
    await settled(4)
    await clock.advance(250)
    await settled(5)
    expect(agent.names.slice(3)).toEqual(['update', 'update'])
  })

  test('and forgets each time is not asked without end', async () => {
    const registration = await start({ random: EARLIEST })
    await registration.ready()
    await settled(3)
    agent.always('update', refuse(404, 'Unknown check ID "service:o1"'))
    await clock.advance(4000)
    // Once at once, and then as with any other failure.
    await settled(7)
    await clock.advance(124)
    expect(clock.resting).toBe(true)
    await clock.advance(1)
    await settled(10)
    expect(lines).toHaveLength(3)
  })

  test('without heartbeats it is asked every few seconds, and what it thought of the checks goes with the next', async () => {
    const checks = [{ kind: 'http', url: '/health' }] as const
    const registration = await start({ checks, random: EARLIEST }, (agent) =>
      agent.next('status', (_, response) => {
        const seen = [
          { CheckID: 'service:o1', Status: 'passing' },
          { CheckID: 'x', Status: 'odd' },
        ]
        response.end(JSON.stringify({ Checks: seen }))
      }),
    )
    await registration.ready()
    await settled(3)
    expect(agent.calls[0]?.body).toMatchObject({
      Checks: [{ HTTP: 'http://127.0.0.1:8080/health', Status: 'critical' }],
    })
    agent.next('status', refuse(404, '{"AggregatedStatus":"critical"}'))
    await clock.advance(4000)
    await settled(7)
    expect(agent.names).toEqual([
      ...['register', 'maintenance', 'status'],
      ...['status', 'register', 'maintenance', 'status'],
    ])
    expect(agent.calls[4]?.body).toMatchObject({ Checks: [{ Status: 'passing' }] })
  })

  test('but has lost a check of the agent’s own is registered with again, with what it thought of each', async () => {
    const checks = [{ kind: 'tcp' }, { kind: 'http', url: '/health', initialStatus: 'warning' }] as const
    const registration = await start({ checks, random: EARLIEST })
    const [first, second] = ['service:o1:1', 'service:o1:2']
    agent.next('status', refuse(200, seenAs('passing', { [first]: 'critical', [second]: 'passing' })))
    await registration.ready()
    await settled(3)
    agent.next('status', refuse(200, seenAs('passing', { serfHealth: 'passing', [first]: 'passing' })))
    await clock.advance(4000)
    await settled(7)
    expect(agent.names.slice(3)).toEqual(['status', 'register', 'maintenance', 'status'])
    expect(agent.calls[4]?.body).toMatchObject({
      Checks: [
        { CheckID: first, Status: 'passing' },
        { CheckID: second, Status: 'passing' },
      ],
    })
    expect(lines).toEqual([
      'info: registered',
      expect.stringMatching(
        /^warn: Consul at .* does not know check service:o1:2 of o1; registering the instance again/,
      ),
    ])
    // Found complete, it is left in peace.
    await clock.advance(4000)
    await settled(8)
    expect(registration.inspect().state).toBe('registered')
  })

  test('and has lost a check of what drains is told of the maintenance all the same', async () => {
    const registration = await start({ checks: [{ kind: 'tcp' }], random: EARLIEST })
    await registration.ready()
    await settled(3)
    let look: (() => void) | undefined
    agent.next('status', (_, response) => (look = () => response.end(seenAs('passing', {}))))
    await clock.advance(4000)
    await until(() => look !== undefined)
    const draining = registration.drain({ confirmMs: 0, settleMs: 0 })
    look?.()
    await until(() => agent.calls.some(({ target }) => target.startsWith('o1?enable=true')))
    await clock.advance(0)
    expect(await draining).toMatchObject({ finished: true, deregistered: true })
    expect(agent.names.filter((name) => name === 'register')).toHaveLength(1)
  })

  test('and loses a check each time is not asked without end', async () => {
    const registration = await start({ checks: [{ kind: 'tcp' }], random: EARLIEST }, (agent) =>
      agent.always('status', refuse(200, seenAs('passing', {}))),
    )
    await settled(3)
    await clock.advance(124)
    expect(clock.resting).toBe(true)
    await clock.advance(1)
    await settled(6)
    agent.always('status', undefined)
    await clock.advance(5000)
    await registration.ready()
  })

  test.for([
    [429, 'warning'],
    [503, 'critical'],
  ] as const)('a status of %i is what it thinks of the instance, not a failure', async ([status, name]) => {
    const registration = await start({ checks: [{ kind: 'tcp' }] }, (agent) =>
      agent.always('status', refuse(status, seenAs(name, { 'service:o1': name }))),
    )
    await registration.ready()
    expect(registration.inspect().lastError).toBeUndefined()
  })

  test('a status of 429 without such a word is an overload', async () => {
    const registration = await start({ checks: [] }, (agent) =>
      agent.next('status', refuse(429, 'too many requests')),
    )
    await until(() => registration.inspect().lastError !== undefined)
    expect(registration.inspect().lastError?.message).toContain('answered 429 (too many requests)')
  })
})

describe('maintenance', () => {
  test('goes on and off at once', async () => {
    const registration = await start()
    await registration.ready()
    await registration.maintenance(true, 'an upgrade')
    expect(registration.inspect()).toMatchObject({ state: 'maintenance', maintenance: 'an upgrade' })
    await registration.maintenance(true, 'another')
    await registration.maintenance(false)
    expect(registration.inspect()).toMatchObject({ state: 'registered', maintenance: undefined })
    const calls = agent.calls.filter(({ name }) => name === 'maintenance')
    expect(calls.map(({ target }) => target)).toEqual([
      'o1?enable=false',
      'o1?enable=true&reason=an+upgrade',
      'o1?enable=false',
    ])
  })

  test('lasts when the agent has forgotten it, and there is no moment of health in between', async () => {
    const registration = await start()
    await registration.ready()
    await registration.maintenance(true, 'an upgrade')
    await until(() => clock.resting)
    const before = agent.calls.length
    agent.forget()
    await clock.advance(5000)
    await settled(before + 4)
    expect(agent.calls.slice(before + 1)).toMatchObject([
      { name: 'register', body: { Checks: [{ Status: 'critical' }] } },
      { name: 'maintenance', target: 'o1?enable=true&reason=an+upgrade' },
      { name: 'update', body: { Status: 'passing' } },
    ])
    expect(registration.inspect().state).toBe('maintenance')
  })

  test('that finds no instance registers it first', async () => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    agent.next('maintenance', refuse(404, 'No service registered with ID "o1"'))
    await registration.maintenance(true)
    expect(agent.names.slice(3, 6)).toEqual(['maintenance', 'register', 'maintenance'])
  })

  test('of an agent that is away says so in time, and comes later', async () => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    agent.always('maintenance', hangUp())
    const late = expect(registration.maintenance(true, 'x', { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringMatching(/^o1 is not in maintenance after 100 ms: Consul at/) as string,
    })
    await settled(4)
    await clock.advance(100)
    await late
    agent.always('maintenance', undefined)
    await clock.advance(250)
    await until(() => registration.inspect().state === 'maintenance')
  })
})

describe('deregister', () => {
  test('ends all, once', async () => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    expect(await registration.deregister()).toBe(true)
    expect(await registration.deregister()).toBe(true)
    await registration[Symbol.asyncDispose]()
    expect(agent.names.slice(3)).toEqual(['deregister'])
    expect(clock.pending).toBe(0)
    expect(registration.inspect().state).toBe('deregistered')
    await expect(registration.ready()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await expect(registration.maintenance(true)).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
  })

  test('comes after a register that is on its way', async () => {
    let release: (() => void) | undefined
    const registration = await start({}, (agent) =>
      agent.next('register', (_, response) => (release = () => response.end())),
    )
    await until(() => release !== undefined)
    const deregistering = registration.deregister()
    // Whatever was sent before these is with the agent by their end.
    for (let turn = 0; turn < 3; turn++) await fetch(`${agent.address}/v1/config/service-resolver`)
    expect(agent.names).toEqual(['register'])
    release?.()
    expect(await deregistering).toBe(true)
    expect(agent.names.at(-1)).toBe('deregister')
    expect(agent.names.filter((name) => name === 'deregister')).toHaveLength(1)
  })

  test('is tried for 3 s, and then says what becomes of the instance', async () => {
    const registration = await start()
    await registration.ready()
    await settled(3)
    agent.always('deregister', hangUp())
    const deregistering = registration.deregister()
    await until(() => agent.names.includes('deregister'))
    const pump = setInterval(() => void (agent.consul.pending === 0 && clock.advance(50)), 2)
    expect(await deregistering).toBe(false)
    clearInterval(pump)
    expect(clock.now()).toBeGreaterThanOrEqual(3000)
    expect(clock.now()).toBeLessThan(4000)
    expect(agent.names.filter((name) => name === 'deregister').length).toBeGreaterThan(3)
    expect(lines.at(-1)).toMatch(
      /^warn: deregistering the instance failed; Consul removes it once it has been critical for 600000 ms \(deregisterCriticalServiceAfterMs\) .*"reason":"Consul at/,
    )
    expect(registration.inspect().state).toBe('deregistered')
    expect(clock.pending).toBe(0)
  })

  test('of an agent that does not answer takes no longer', async () => {
    const registration = await start({ deregisterCriticalServiceAfterMs: false })
    await registration.ready()
    await settled(3)
    agent.always('deregister', hold())
    const deregistering = registration.deregister()
    await until(() => agent.names.includes('deregister'))
    await clock.advance(3000)
    expect(await deregistering).toBe(false)
    expect(lines.at(-1)).toContain(
      'it stays in Consul until someone removes it: consul services deregister -id o1',
    )
  })

  test('of what was never registered is quiet and quick', async () => {
    const registration = await start({}, (agent) => {
      agent.always('register', hangUp())
      agent.always('deregister', hangUp())
    })
    await settled(1)
    expect(await registration.deregister()).toBe(false)
    expect(lines).toHaveLength(1)
  })
})

describe('the id', () => {
  test('is taken once in a process, until it is given back', async () => {
    const registration = await start()
    const again = (): Registration =>
      register({ name: 'stock', port: 81, id: 'o1', consul: { address: agent.address }, clock, logger })
    let thrown: unknown
    try {
      again()
    } catch (error) {
      thrown = error
    }
    expect((thrown as FairleadError).code).toBe('INVALID_OPTION')
    expect((thrown as FairleadError).message).toBe(
      "id is 'o1': it must be one of its own, as orders on port 8080 is registered under it in this process, " +
        'and stock on port 81 would take its place; give one of them another id, or deregister the first',
    )
    await registration.ready()
    await registration.deregister()
    const second = again()
    await second.ready()
    await second.deregister()
  })
})
