import { isAborted, sleep, type Clock } from '../clock.js'
import { backoffDelay } from '../pacing/backoff.js'
import { orAborted } from '../pacing/or-aborted.js'
import { TimeLimit } from '../pacing/time-limit.js'
import { asError } from '../errors.js'
import type { Events } from '../observe/events.js'
import type { Random } from '../random.js'
import { ForgottenError, type AgentService } from './agent-service.js'
import type { RegisterSettings } from './options.js'
import type { Upkeep } from './upkeep.js'

/** What is to leave Consul. */
export interface Leaving {
  readonly service: AgentService
  readonly owner: string
  readonly settings: RegisterSettings
  readonly upkeep: Upkeep
  readonly clock: Clock
  readonly random: Random
  readonly events: Events
}

// An agent that restarts is back by then; one that is gone must not hold up a process that ends. Together with the
// 25 s of a drain it stays below the 30 s after which Kubernetes kills.
const DEREGISTER_TIMEOUT_MS = 3000
const DEREGISTER_BACKOFF = { baseMs: 100, maxMs: 1000 }

/** Ends the upkeep and deregisters the instance. Resolves to whether the agent has done so within 3 s. */
export async function deregister(leaving: Leaving): Promise<boolean> {
  const { upkeep, clock } = leaving
  const limit = new TimeLimit(DEREGISTER_TIMEOUT_MS, clock)
  // After what is on its way, or a register could come behind it.
  await orAborted(upkeep.end(), limit.signal)
  const error = await request(leaving, limit.signal)
  limit.clear()
  upkeep.close(error)
  if (error !== undefined && upkeep.everRegistered) reportRemains(leaving, error)
  return error === undefined
}

/** Asks the agent, again where that fails. Resolves to why it could not be done. */
async function request(
  { service, owner, upkeep, clock, random }: Leaving,
  signal: AbortSignal,
): Promise<Error | undefined> {
  let last: Error | undefined
  for (let failures = 1; !isAborted(signal); failures++) {
    try {
      // Between the two another process may still come: an agent has no way to say both at once. It notices, and comes back.
      if (await isThere(service, owner, signal)) await service.deregister(signal)
      return undefined
    } catch (thrown) {
      // That we were aborted says less than what went wrong before.
      if (isAborted(signal)) break
      last = asError(thrown)
      // As far as we know it was never there: once is enough to be sure.
      if (!upkeep.everRegistered) return last
      await sleep(clock, backoffDelay(failures, DEREGISTER_BACKOFF, random), signal)
    }
  }
  return last ?? new Error(`${service.agent.name} has not answered within ${DEREGISTER_TIMEOUT_MS} ms`)
}

/** Is it this registration that the agent has under its id, and not that of a process which has come after it? */
async function isThere(service: AgentService, owner: string, signal: AbortSignal): Promise<boolean> {
  try {
    return (await service.owner(signal)) === owner
  } catch (thrown) {
    if (thrown instanceof ForgottenError) return false
    throw thrown
  }
}

function reportRemains({ settings, events }: Leaving, error: Error): void {
  const { name: service, id, deregisterCriticalServiceAfterMs, checks } = settings
  // Without a check it is never critical.
  const afterMs = checks.length === 0 ? false : deregisterCriticalServiceAfterMs
  events.publish({ type: 'registration:deregister-failed', service, id, error, afterMs })
}
