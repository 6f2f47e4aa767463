import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Events, type FairleadEvent } from '../observe/events.js'
import { ManualClock } from '../testing/index.js'
import { Admission } from './admission.js'
import type { AdmissionSettings } from './admission-options.js'
import type { Entrant, Pass } from './pass.js'

/** A call, and what it has heard. */
class Caller implements Entrant {
  readonly options: Entrant['options']
  readonly headers = undefined
  pass: Pass | undefined
  readonly heard: string[] = []
  error: Error | undefined
  readonly #rig: Rig

  constructor(rig: Rig, priority: number | undefined) {
    this.#rig = rig
    this.options = { method: 'GET', path: '/', priority }
  }

  admitted(): void {
    this.heard.push('started')
    this.#rig.started.push(this)
  }

  cancel(error: Error): void {
    this.error = error
    this.heard.push('shed')
    this.#rig.admission.leave(this)
  }
}

class Rig {
  readonly clock = new ManualClock()
  readonly published: FairleadEvent[] = []
  /** In this order. */
  readonly started: Caller[] = []
  readonly admission: Admission

  constructor(settings: Partial<AdmissionSettings> = {}) {
    this.admission = new Admission({
      service: 'orders',
      settings: { limit: 2, queue: { max: 3, timeoutMs: 100 }, priorityHeader: undefined, ...settings },
      events: new Events({ traffic: false, hear: (event) => void this.published.push(event) }),
      clock: this.clock,
    })
  }

  enter(priority?: number): Caller {
    const caller = new Caller(this, priority)
    if (this.admission.admit(caller, this.clock.now())) caller.admitted()
    return caller
  }

  end(caller: Caller | undefined): void {
    if (caller !== undefined) this.admission.leave(caller)
  }
}

/** The same rules, written as they are read: a list that is searched. */
class Oracle {
  readonly states: string[] = []
  readonly started: number[] = []
  #now = 0
  readonly #priorities: number[] = []
  readonly #until: number[] = []
  readonly #limit: number
  readonly #max: number

  constructor(limit: number, max: number) {
    this.#limit = limit
    this.#max = max
  }

  in(state: string): number[] {
    return this.states.flatMap((each, id) => (each === state ? [id] : []))
  }

  enter(priority: number): void {
    const id = this.states.push('queued') - 1
    this.#priorities.push(priority)
    this.#until.push(this.#now + 100)
    const least = this.in('queued').reduce((a, b) => (this.#of(b) >= this.#of(a) ? b : a))
    if (this.in('running').length >= this.#limit && this.in('queued').length > this.#max)
      this.states[least] = 'shed'
    this.#next()
    // The youngest of the least important is itself, where it is no more important than those that are there.
    expect(this.states[id]).toBeDefined()
  }

  leave(id: number): void {
    this.states[id] = 'ended'
    this.#next()
  }

  advance(ms: number): void {
    this.#now += ms
    for (const id of this.in('queued')) if ((this.#until[id] ?? 0) <= this.#now) this.states[id] = 'shed'
  }

  #of(id: number): number {
    return this.#priorities[id] ?? 0
  }

  #next(): void {
    const [first, ...rest] = this.in('queued')
    if (first === undefined || this.in('running').length >= this.#limit) return
    const most = rest.reduce((a, b) => (this.#of(b) < this.#of(a) ? b : a), first)
    this.states[most] = 'running'
    this.started.push(most)
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('enter' as const), what: fc.nat({ max: 7 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('end' as const), what: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), what: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), what: fc.nat({ max: 60 }) }) },
)

test('never above the limit, each call runs or is shed once, the most important and oldest first, the least and youngest shed', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 80 }),
      fc.integer({ min: 1, max: 4 }),
      fc.nat({ max: 6 }),
      async (script, limit, max) => {
        const rig = new Rig({ limit, queue: { max, timeoutMs: 100 } })
        const oracle = new Oracle(limit, max)
        const callers: Caller[] = []
        for (const each of script) {
          if (each.do === 'enter') {
            callers.push(rig.enter(each.what))
            oracle.enter(each.what)
          } else if (each.do === 'wait') {
            await rig.clock.advance(each.what)
            oracle.advance(each.what)
          } else {
            const among = oracle.in(each.do === 'end' ? 'running' : 'queued')
            const id = among[each.what % among.length]
            if (id === undefined) continue
            rig.end(callers[id])
            oracle.leave(id)
          }
          const { inflight, queued, shed } = rig.admission.inspect()
          expect(inflight).toBeLessThanOrEqual(limit)
          expect([inflight, queued]).toEqual([oracle.in('running').length, oracle.in('queued').length])
          expect(Object.values(shed).reduce((a, b) => a + b)).toBe(oracle.in('shed').length)
          expect(rig.clock.pending).toBe(Math.min(queued, 1))
          for (const [id, { heard }] of callers.entries())
            expect(heard.filter((word) => word === 'shed').length).toBe(oracle.states[id] === 'shed' ? 1 : 0)
        }
        expect(rig.started).toEqual(oracle.started.map((id) => callers[id]))
        // All that is left has its turn.
        for (let left = oracle.in('running'); left.length > 0; left = oracle.in('running')) {
          rig.end(callers[left[0] ?? 0])
          oracle.leave(left[0] ?? 0)
        }
        expect(rig.started).toEqual(oracle.started.map((id) => callers[id]))
        expect(rig.admission.inspect()).toMatchObject({ inflight: 0, queued: 0 })
        for (const { heard } of callers) expect(heard.length).toBeLessThanOrEqual(1)
      },
    ),
    { numRuns: 200 },
  )
})

describe('what is shed', () => {
  test('says why, and by which options', async () => {
    const rig = new Rig()
    const [, , old, displaced] = [0, 0, 4, 5, 4].map((priority) => rig.enter(priority))
    const refused = rig.enter(5)
    rig.enter(3)
    await rig.clock.advance(100)
    const because = 'GET / to orders was shed: 2 in flight (option admission.maxConcurrent)'
    const full = '3 queued (option admission.queue.max)'
    expect([refused.error?.message, displaced?.error?.message, old?.error?.message]).toEqual([
      `${because}, ${full}`,
      `${because}, ${full}, and a more important one has taken its place`,
      `${because}, and it was queued for 100 ms (option admission.queue.timeoutMs)`,
    ])
    expect(refused.error).toMatchObject({
      code: 'OVERLOADED',
      service: 'orders',
      endpoint: undefined,
      errors: [],
    })
    expect(rig.admission.inspect()).toEqual({
      ...{ limit: 2, inflight: 2, queued: 0 },
      shed: { queueFull: 1, displaced: 1, queueTimeout: 3 },
    })
  })

  test('is told once in 10 s, with how many there were', async () => {
    const rig = new Rig({ limit: 1, queue: { max: 0, timeoutMs: Infinity } })
    for (let each = 0; each < 5; each++) rig.enter()
    const told = {
      type: 'admission:shedding',
      service: 'orders',
      reason: 'queueFull',
      limit: 1,
      inflight: 1,
      queued: 0,
    }
    expect(rig.published).toEqual([{ ...told, shed: 1 }])
    await rig.clock.advance(10_000)
    rig.enter()
    expect(rig.published).toEqual([
      { ...told, shed: 1 },
      { ...told, shed: 4 },
    ])
  })

  test('may call again at once', () => {
    const rig = new Rig({ limit: 1, queue: { max: 1, timeoutMs: 100 } })
    rig.enter()
    const victim = rig.enter(5)
    let again: Caller | undefined
    const fail = victim.cancel.bind(victim)
    victim.cancel = (error) => {
      fail(error)
      again = rig.enter(1)
    }
    const taker = rig.enter(2)
    expect([victim.heard, taker.heard, again?.heard]).toEqual([['shed'], ['shed'], []])
    expect(rig.admission.inspect()).toMatchObject({ inflight: 1, queued: 1 })
  })
})

test('no time limit takes no timer, and destroy fails what is queued', () => {
  const rig = new Rig({ queue: { max: 3, timeoutMs: Infinity } })
  const callers = [1, 2, 3, 4].map(() => rig.enter())
  expect(rig.clock.pending).toBe(0)
  const closed = new Error('closed')
  rig.admission.destroy(closed)
  expect(callers.map(({ error }) => error)).toEqual([undefined, undefined, closed, closed])
  expect(rig.admission.inspect()).toMatchObject({ inflight: 2, queued: 0, shed: { queueFull: 0 } })
})

test('an adaptive limit lets more in as it rises, and none while it is below what is in flight', async () => {
  const gradient = { initialLimit: 10, minLimit: 5, maxLimit: 100, queueSize: 5, rttTolerance: 1.5 }
  const rig = new Rig({ limit: gradient, queue: { max: 1000, timeoutMs: Infinity } })
  for (let each = 0; each < 500; each++) rig.enter()
  /** As many answers as make a window. */
  const answers = async (ms: number): Promise<void> => {
    await rig.clock.advance(1000)
    for (const caller of rig.started.slice(-10)) caller.pass?.observe(ms, ms, rig.clock.now())
  }
  // The first window begins with its first answer.
  for (let window = 0; window <= 10; window++) await answers(10)
  expect(rig.admission.inspect()).toMatchObject({ limit: 10, inflight: 10 })
  for (let window = 0; window < 5; window++) await answers(10)
  expect(rig.admission.inspect()).toMatchObject({ limit: 15, inflight: 15 })
  for (let window = 0; window < 10; window++) await answers(1000)
  const { limit, inflight } = rig.admission.inspect()
  expect(limit).toBeLessThan(inflight)
  const before = rig.started.length
  for (const caller of rig.started.slice(0, inflight - limit)) rig.end(caller)
  expect(rig.started.length).toBe(before)
  rig.end(rig.started.at(-1))
  expect(rig.started.length).toBe(before + 1)
})
