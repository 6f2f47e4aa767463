import type { Clock } from '../clock.js'
import type { Cluster } from './cluster.js'
import { FairleadError } from '../errors.js'
import { requireCount, requireTime } from '../validation/invalid-option.js'
import { requireKnown } from '../validation/known-names.js'

/** What `client.ready` can be told. */
export interface ReadyOptions {
  /** How long to wait, in milliseconds; `Infinity`: no limit. Default: the client's `timeoutMs`. */
  readonly timeoutMs?: number | undefined
  /**
   * So many instances that discovery lists have to be there to send requests to, whatever their circuits. Default 0: that discovery has answered is enough, since a
   * service that is down should not keep those that call it from starting, and two that call each other have to start.
   */
  readonly minInstances?: number | undefined
}

const KNOWN = ['timeoutMs', 'minInstances'] as const

/** @throws FairleadError as `client.ready` does. */
export async function untilReady(
  service: string,
  cluster: Cluster,
  options: ReadyOptions,
  usualMs: number,
  clock: Clock,
): Promise<void> {
  requireKnown('ready', options, KNOWN)
  const { timeoutMs = usualMs, minInstances = 0 } = options
  requireTime('timeoutMs', timeoutMs)
  requireCount('minInstances', minInstances, 0, 1_000_000)
  // One that is idle has to find out anew.
  cluster.follow()
  const late = !cluster.isReady(minInstances) && (await isLate(cluster, minInstances, timeoutMs, clock))
  if (late) {
    throw new FairleadError('NO_ENDPOINTS', whyNotReady(service, cluster, timeoutMs, minInstances), {
      service,
    })
  }
  if (cluster.closed) {
    throw new FairleadError('CLIENT_CLOSED', `the client of ${service} is closed; make a new one`, {
      service,
    })
  }
}

/** Resolves to whether `timeoutMs` milliseconds went by before it was ready. */
function isLate(cluster: Cluster, minInstances: number, timeoutMs: number, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const forget = cluster.onReady(minInstances, () => settle(false))
    const timer = timeoutMs === Infinity ? undefined : clock.setTimer(() => settle(true), timeoutMs)
    function settle(late: boolean): void {
      forget()
      if (timer !== undefined) clock.clearTimer(timer)
      resolve(late)
    }
  })
}

function whyNotReady(service: string, cluster: Cluster, timeoutMs: number, minInstances: number): string {
  const length = cluster.listed
  const why =
    cluster.endpoints.length === 0
      ? cluster.whyEmpty()
      : `it has ${length} of ${minInstances} instances (option minInstances)`
  return `${service} is not ready after ${timeoutMs} ms: ${why}`
}
