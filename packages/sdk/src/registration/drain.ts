import { hostname } from 'node:os'
import { sleep, type Clock } from '../clock.js'
import type { ConsulAgent } from '../consul/agent.js'
import type { Events } from '../observe/events.js'
import type { ParsedDrainOptions } from './drain-options.js'
import { hasEnded } from '../pacing/or-aborted.js'
import { TimeLimit } from '../pacing/time-limit.js'
import { isSeenByClients } from './propagation.js'
import type { Upkeep } from './upkeep.js'

/** How it left. */
export interface DrainReport {
  /** Did Consul show clients that it was going before anything else was done? */
  readonly confirmed: boolean
  /** Did all that was in flight finish before the deadline? */
  readonly finished: boolean
  /** Is nothing of it left in Consul: has the agent taken it out, or has another process taken its place there? */
  readonly deregistered: boolean
}

/** Whose drain. */
export interface Draining {
  readonly service: string
  readonly id: string
  readonly owner: string
  readonly agent: ConsulAgent
  readonly upkeep: Upkeep
  readonly deregister: () => Promise<boolean>
  readonly clock: Clock
  readonly events: Events
}

/**
 * Takes an instance out of service without a request lost. The order is what does it: first clients have no reason to send
 * more, then what is in flight finishes, and only then the instance disappears.
 */
export async function drainInstance(draining: Draining, options: ParsedDrainOptions): Promise<DrainReport> {
  const { service, id, clock, events, upkeep } = draining
  const deadline = new TimeLimit(options.deadlineMs, clock)
  try {
    const confirmed = await announce(draining, options, deadline.signal)
    // Clients have never heard of what was never registered.
    if (upkeep.everRegistered && options.settleMs > 0) await sleep(clock, options.settleMs, deadline.signal)
    const finished = await hasEnded(options.finish(deadline.signal), deadline.signal)
    if (!finished) {
      const { deadlineMs } = options
      events.publish({ type: 'registration:drain-timeout', service, id, deadlineMs })
    }
    return { confirmed, finished, deregistered: await draining.deregister() }
  } catch (error) {
    // What `finish` threw is the caller's; the instance leaves all the same.
    await draining.deregister()
    throw error
  } finally {
    deadline.clear()
  }
}

/** Maintenance on, and seen by a watch like that of any client. */
async function announce(
  { service, id, owner, agent, upkeep, clock, events }: Draining,
  { confirmMs }: ParsedDrainOptions,
  deadline: AbortSignal,
): Promise<boolean> {
  if (upkeep.isEnded()) return true
  // Unique, as other agents may have instances of the same id.
  const reason = upkeep.drain(
    `draining since ${new Date(clock.unixTime()).toISOString()}: pid ${process.pid} on ${hostname()}`,
  )
  if (upkeep.absent && !upkeep.everRegistered) return true
  const limit = new TimeLimit(confirmMs, clock, deadline)
  try {
    await upkeep.watch.until(
      () => upkeep.maintained || upkeep.absent || upkeep.isEnded(),
      Infinity,
      limit.signal,
    )
    const drained = { service, id, owner, reason, gone: upkeep.absent }
    const confirmed = await isSeenByClients(agent, drained, confirmMs, clock, limit.signal)
    if (!confirmed) events.publish({ type: 'registration:drain-unconfirmed', service, id, confirmMs })
    return confirmed
  } finally {
    limit.clear()
  }
}
