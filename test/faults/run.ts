import type { Children } from '../bench/children.js'
import type { Fault } from './catalogue.js'
import { sumOf } from './counts.js'
import { startFleet, type FleetInstance } from './fleet.js'
import { monotonicMs, until } from './monotonic.js'
import { INSTANCES, type Plan } from './plan.js'
import type { LoadRecording, Recording } from './recording.js'
import { startSubject, type SubjectName } from './subject.js'
import type { LoadOrder } from './subjects/open-loop.js'

// For the first message to reach the load.
const LEAD_MS = 300
// Of an outage of all: those that watch over processes do not bring them back at once.
const APART_MS = 1000

/** One fault on one subject, with instances and processes of its own. */
export async function record(
  children: Children,
  subject: SubjectName,
  fault: Fault,
  plan: Plan,
  ratePerSecond: number,
): Promise<Recording> {
  const fleet = await startFleet(children, INSTANCES)
  const origins = fleet.map(({ origin }) => origin)
  try {
    await using started = await startSubject(children, subject, origins, fault.setting)
    await started.load.ask('warm up')
    const startAt = monotonicMs() + LEAD_MS
    const healthyFrom = startAt + plan.warmUpMs
    const faultLasts =
      fault.lastsMs === undefined ? plan.faultMs : Math.min(fault.lastsMs, plan.longestStopMs)
    const begins = healthyFrom + plan.healthyMs
    const ends = begins + faultLasts
    const last = ends + plan.afterMs
    const order: LoadOrder = { startAt, milliseconds: last - startAt, ratePerSecond }
    const running = started.load.ask<LoadRecording>(order)
    // It is awaited last; an end before that is told there.
    running.catch(() => undefined)

    await until(begins)
    const faulty = fault.on === 'all' ? fleet : fleet.slice(0, 1)
    const faultAt = monotonicMs()
    const heals = await Promise.all(faulty.map((instance) => instance.begin(fault.means)))
    await until(ends)
    const endAt = monotonicMs()
    const healedAt = await healInTurn(heals)
    const load = await running
    return {
      load,
      timeline: { healthyFrom, faultAt, settledAt: begins + plan.settleMs, endAt, healedAt, until: last },
      seen: sumOf(await Promise.all(fleet.map((instance) => instance.seen()))),
      faulty: fault.on === 'all' ? undefined : fleet[0]?.port,
      instances: fleet.length,
    }
  } finally {
    await Promise.all(fleet.map((instance: FleetInstance) => instance.stop()))
  }
}

/** When the first had ended. */
async function healInTurn(heals: readonly (() => Promise<unknown>)[]): Promise<number> {
  let first: number | undefined
  for (const heal of heals) {
    if (first !== undefined) await until(monotonicMs() + APART_MS)
    await heal()
    first ??= monotonicMs()
  }
  return first ?? monotonicMs()
}
