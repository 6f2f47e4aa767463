import { describe, expect, test } from 'vitest'
import { explainPick } from '../balance/explain-pick.js'
import { eligible, type Balancer, type PickContext } from '../balance/picker.js'
import { priorities } from '../balance/priorities/priorities.js'
import { FakeCandidate, candidates, seededRandom } from '../testing/index.js'
import { Sessions } from './sessions.js'
import { StickyPicker } from './sticky-picker.js'
import { stickySchema } from './sticky-schema.js'
import * as v from 'valibot'

const first: Balancer = (endpoints) => ({
  pick: (context) => endpoints.find((endpoint) => eligible(endpoint, context)),
})

const settings = v.parse(stickySchema, { header: 'x-session', secret: 'a'.repeat(32) })

/** A picker whose balancer takes the first it can, and the session of each endpoint. */
class Rig {
  readonly sessions = new Sessions<FakeCandidate>(settings, 'orders')
  readonly picker: StickyPicker<FakeCandidate>
  readonly endpoints: readonly FakeCandidate[]
  refreshed = 0

  constructor(endpoints: readonly FakeCandidate[]) {
    this.endpoints = endpoints
    this.sessions.adopt(endpoints)
    const refresh = (): void => {
      this.refreshed++
    }
    const balancer: Balancer = (...args) => ({ ...first(...args), refresh })
    const context = { excluded: new Map<number, number>(), panicThreshold: 0.5 }
    this.picker = new StickyPicker(priorities(balancer, endpoints, context, seededRandom(1)), this.sessions)
  }

  session(endpoint: FakeCandidate | undefined): string {
    const [, token = Buffer.from('none')] = this.sessions.stamp([], undefined, endpoint as FakeCandidate)
    return token.toString()
  }

  /** Whom a request gets, and what is said of it. */
  pick(
    session: string | undefined,
    tried: readonly FakeCandidate[] = [],
  ): { readonly endpoint: FakeCandidate | undefined; readonly said: readonly string[] } {
    const context: PickContext<FakeCandidate> = { now: 0, tried, headers: { 'x-session': session } }
    const said: string[] = []
    const explained = explainPick(this.picker, context, {
      step: (text) => void said.push(text),
      compared: () => undefined,
      skipped: ({ instance }, reason) => void said.push(`${instance.origin}: ${reason}`),
    })
    const endpoint = this.picker.pick(context)
    expect(explained).toBe(endpoint)
    return { endpoint, said }
  }
}

test('a session goes to its endpoint, and a request without one to whom the balancer picks', () => {
  const rig = new Rig(candidates([1, 1, 1]))
  for (const endpoint of rig.endpoints) {
    expect(rig.pick(rig.session(endpoint))).toEqual({
      endpoint,
      said: ['the session of the request is on it'],
    })
  }
  const none = rig.pick(undefined)
  expect(none.endpoint).toBe(rig.endpoints[0])
  expect(none.said[0]).toBe('the request has no session')
  const unknown = rig.pick('A'.repeat(32))
  expect(unknown.endpoint).toBe(rig.endpoints[0])
  expect(unknown.said[0]).toContain('of an endpoint that is gone')
})

test('one whose circuit is open, or which has failed the request, is skipped', () => {
  const rig = new Rig(candidates([1, 1, 1]))
  const [one, two, three] = rig.endpoints as [FakeCandidate, FakeCandidate, FakeCandidate]
  three.available = false
  const open = rig.pick(rig.session(three))
  expect(open.endpoint).toBe(one)
  expect(open.said[0]).toBe('http://10.0.0.1:3: the session of the request is on it, but it is unavailable')
  const tried = rig.pick(rig.session(one), [one])
  expect(tried.endpoint).toBe(two)
  expect(tried.said[0]).toContain('it has failed this request')
  three.available = true
  expect(rig.pick(rig.session(three)).endpoint).toBe(three)
})

describe('a session stays', () => {
  test.each([
    ['of weight 0, which is how an instance is emptied', new FakeCandidate(9, 0)],
    ['of a later priority, when the first is back', new FakeCandidate(9, 1, 1)],
    [
      'that is retained, until it is known to be gone',
      Object.assign(new FakeCandidate(9), { retained: true }),
    ],
  ])('on an endpoint %s', (_, last) => {
    const rig = new Rig([...candidates([1, 1]), last])
    expect(rig.pick(undefined).endpoint).not.toBe(last)
    expect(rig.pick(rig.session(last)).endpoint).toBe(last)
  })
})

test('priorities and what needs refresh stay behind it as before', () => {
  const rig = new Rig(candidates([1, 1, 1, 1]))
  expect(rig.picker.needsRefresh).toBe(true)
  expect(rig.picker.inPanic).toEqual([])
  for (const endpoint of rig.endpoints.slice(1)) endpoint.available = false
  rig.picker.refresh(0)
  expect(rig.refreshed).toBe(1)
  expect(rig.picker.inPanic).toEqual([0])
  // In a panic all are sent requests, those with sessions as well.
  const last = rig.endpoints[3]
  expect(rig.pick(rig.session(last)).endpoint).toBe(last)
})

test('an older secret is accepted, and its sessions get a token of the new one', () => {
  const endpoints = candidates([1, 1])
  const [endpoint] = endpoints as [FakeCandidate]
  const sessionsOf = (...secret: string[]): Sessions<FakeCandidate> => {
    const sessions = new Sessions<FakeCandidate>(
      v.parse(stickySchema, { header: 'x-session', secret }),
      'orders',
    )
    sessions.adopt(endpoints)
    return sessions
  }
  const [older, newer] = ['a'.repeat(32), 'b'.repeat(32)] as const
  const tokenFrom = (sessions: Sessions<FakeCandidate>, had?: string): string | undefined =>
    sessions.stamp([], { 'x-session': had }, endpoint)[1]?.toString()
  const old = tokenFrom(sessionsOf(older))
  const both = sessionsOf(newer, older)
  expect(both.find(old ?? '')).toBe(endpoint)
  const renewed = tokenFrom(both, old)
  expect(renewed).toBe(tokenFrom(sessionsOf(newer)))
  expect(tokenFrom(both, renewed)).toBeUndefined()
  expect(sessionsOf(newer).find(old ?? '')).toBeUndefined()
  expect(sessionsOf(newer).find(renewed ?? '')).toBe(endpoint)
})
