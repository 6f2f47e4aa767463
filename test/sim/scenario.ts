import type { Random } from '@fairlead/sdk'
import { logNormalWork, type Work } from './draws.js'
import type { Fleet } from './fleet.js'
import type { Machine, SimServer } from './server.js'
import type { Timeline } from './timeline.js'

/** A time whose requests are counted, from when they began. */
export interface Span {
  readonly label: string
  readonly fromS: number
  readonly toS: number
}

/** What a scenario has to play with. */
export interface Stage {
  readonly timeline: Timeline
  readonly fleet: Fleet
  /** The servers of the beginning. */
  readonly servers: readonly SimServer[]
  readonly random: Random
}

/** A story that every policy is put through, with the same requests at the same times. */
export interface Scenario {
  readonly name: string
  readonly title: string
  /** For people: what happens, and what to look at. */
  readonly about: string
  /** In order; more than one: figures are shown against their labels. */
  readonly spans: readonly Span[]
  readonly machines: (count: number) => readonly Machine[]
  /** Offered load at a time, as a share of what all allocated cores can do. */
  readonly load: (atS: number) => number
  /** Sets what happens on the timeline. */
  readonly unfold?: (stage: Stage) => void
}

/** What a request takes on a core of its own, on average. */
export const MEAN_WORK_US = 20_000

/** As variable as an exponential one, with a longer tail. */
export const usualWork: Work = logNormalWork(MEAN_WORK_US, 1)

/** Two cores, 100 requests a second. */
export const usual: Machine = { cores: 2, weight: 1, coldFactor: 1 }

export function alike(machine: Machine): (count: number) => readonly Machine[] {
  return (count) => Array.from({ length: count }, () => machine)
}

/** Begins after what a client needs to know its servers: ten samples of each, at 0.7 a second. */
export const steady: readonly Span[] = [{ label: '', fromS: 15, toS: 35 }]

/** The first `share` of some servers; at least one. */
export function some(servers: readonly SimServer[], share: number): readonly SimServer[] {
  return servers.slice(0, Math.max(1, Math.round(servers.length * share)))
}
