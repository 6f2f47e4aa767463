import { expect } from 'vitest'
import type { FakeBackend, FakeConsulStep } from '../../../testing/index.js'
import { World, type Watch, type WorldOptions } from './world.test.support.js'

/** One rule of what a correct client of Consul does, as a row of a table. */
export interface Rule extends WorldOptions {
  /** Its number in the list, and what another client gets wrong. */
  readonly rule: string
  readonly name: string
  /** The one backend that it is about. Default: both keep it. */
  readonly only?: FakeBackend
  /** The events of a watch of `orders` that come, in this order, and what is done or looked at in between. */
  readonly sees: readonly (string | RegExp | Action)[]
  /** The query strings of the queries of health, in this order, and no more. */
  readonly asks?: readonly string[]
}

export type Action = (world: World, watch: Watch) => void | Promise<void>

/** Sees the rule kept with an agent that speaks as this one. */
export async function keep(rule: Rule, backend: FakeBackend): Promise<void> {
  const world = await World.of(rule, backend)
  try {
    const watch = world.follow('orders')
    for (const seen of rule.sees) {
      if (typeof seen === 'function') await seen(world, watch)
      else if (typeof seen === 'string') expect(await watch.next()).toBe(seen)
      else expect(await watch.next()).toMatch(seen)
    }
    const { asks } = rule
    if (asks !== undefined) {
      const { queries } = world.agent
      await world.pass(() => queries.length >= asks.length)
      expect(queries.map(({ query }) => sorted(query))).toEqual(asks.map(sorted))
    }
  } finally {
    await world.end()
  }
}

/** The last event came so long after the one before it, in milliseconds. */
export function took(leastMs: number, mostMs: number): Action {
  return (_, { tookMs }) => {
    expect(tookMs).toBeGreaterThanOrEqual(leastMs)
    expect(tookMs).toBeLessThanOrEqual(mostMs)
  }
}

/** There is no event for so long, in milliseconds. */
export function silentFor(ms: number): Action {
  return (_, watch) => watch.silentFor(ms)
}

/** The last set is empty, and of that it is said this. */
export function explained(empty: string): Action {
  return (_, watch) => expect(watch.empty).toBe(empty)
}

/** An event like this comes while the clock stands still. */
export function comesNow(event: RegExp): Action {
  return async (_, watch) => expect(await watch.nextNow()).toMatch(event)
}

/** One of the next few events is this: of several queries at once it is open which is answered first. */
export function becomes(event: string): Action {
  return async (_, watch) => {
    const seen: string[] = []
    while (!seen.includes(event) && seen.length < 5) seen.push(await watch.next())
    expect(seen.at(-1)).toBe(event)
  }
}

/** A step that is taken only when `go` is called, which may be before its request comes. */
export function postponed(step: FakeConsulStep): {
  readonly step: FakeConsulStep
  readonly go: () => void
} {
  // Both are as at the beginning once the step is taken: a rule is kept more than once.
  let isOff = false
  let take: (() => void) | undefined
  return {
    step: (request, response) => {
      if (isOff) step(request, response)
      else take = () => step(request, response)
      isOff = false
    },
    go: () => {
      isOff = take === undefined
      take?.()
      take = undefined
    },
  }
}

function sorted(query: string | URLSearchParams): string {
  const parameters = new URLSearchParams(query)
  parameters.sort()
  return decodeURIComponent(parameters.toString())
}
