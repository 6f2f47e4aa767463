import { expect, test } from 'vitest'
import { ManualClock } from '../testing/index.js'
import type { Judged, Restriction } from './judge.js'
import { NO_DETAILS } from './outcome.js'
import { pushback } from './pushback.js'

class Rig implements Judged {
  readonly address = '10.0.0.1:80'
  readonly listed = true
  readonly blocked = false
  readonly clock = new ManualClock()
  readonly restrictions: Restriction[] = []
  restriction: Restriction | undefined
  readonly #make = pushback({ maxMs: 30_000 }, this.clock)
  readonly judge = this.#make(this, this.clock.now())
  /** Another endpoint, which asks for nothing. */
  readonly peer = this.#make(this, this.clock.now())

  restrict(restriction: Restriction): void {
    this.restriction = restriction
    this.restrictions.push(restriction)
  }

  lift(reason: string): void {
    if (this.restriction?.reason === reason) this.restriction = undefined
  }

  ask(pushbackMs: number): void {
    this.judge.record('overloaded', this.clock.now(), { statusCode: 429, pushbackMs })
  }
}

test('an endpoint that asks for it is left alone for as long, as load and no sickness', async () => {
  const rig = new Rig()
  rig.ask(2000)
  expect(rig.restriction).toMatchObject({
    reason: 'pushback',
    kind: 'load',
    state: 'unavailable',
    since: 0,
    until: 2000,
  })
  await rig.clock.advance(1999)
  expect(rig.restriction).toBeDefined()
  await rig.clock.advance(1)
  expect(rig.restriction).toBeUndefined()
})

test('answers that were on their way make it longer, never shorter', async () => {
  const rig = new Rig()
  rig.ask(2000)
  await rig.clock.advance(500)
  rig.ask(1000)
  expect(rig.restriction?.until).toBe(2000)
  rig.ask(3000)
  expect(rig.restriction).toMatchObject({ since: 0, until: 3500 })
  await rig.clock.advance(2999)
  expect(rig.restriction).toBeDefined()
  await rig.clock.advance(1)
  expect(rig.restriction).toBeUndefined()
})

test('however long it asks for, there is a limit', () => {
  const rig = new Rig()
  rig.ask(86_400_000)
  expect(rig.restriction?.until).toBe(30_000)
})

test('what asks for nothing changes nothing, and one that is gone leaves no timer', () => {
  const rig = new Rig()
  rig.judge.record('overloaded', 0, NO_DETAILS)
  rig.judge.record('remote_failure', 0, { statusCode: 503, pushbackMs: 0 })
  expect(rig.restrictions).toEqual([])
  rig.ask(1000)
  rig.judge.close()
  expect(rig.clock.pending).toBe(0)
})

test('never the last one, and never more than half', () => {
  const rig = new Rig()
  rig.judge.record('overloaded', 0, { statusCode: 429, pushbackMs: 1000 })
  rig.peer.record('overloaded', 0, { statusCode: 429, pushbackMs: 1000 })
  expect(rig.restrictions).toHaveLength(1)
  rig.judge.close()
  // Of one that is left none.
  rig.peer.record('overloaded', 0, { statusCode: 429, pushbackMs: 1000 })
  expect(rig.restrictions).toHaveLength(1)
})
