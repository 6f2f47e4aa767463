import type { Clock } from '../clock.js'
import { asError } from '../errors.js'
import type { BackendLoad } from '../orca/backend-load.js'
import { loadReportIn } from '../orca/find-header.js'

/** Who has reported. */
export interface ReportingEndpoint {
  /** Where its reports go; undefined: no policy asks for them. */
  readonly backendLoad: BackendLoad | undefined
  /** What observes its reports threw. */
  observerFailed(error: Error): void
}

/** Takes in the load report of a response, where it has one. Says whether it has. */
export function takeLoadReport(
  endpoint: ReportingEndpoint,
  headers: readonly Buffer[],
  clock: Pick<Clock, 'now'>,
): boolean {
  const report = loadReportIn(headers)
  if (report === undefined) return false
  try {
    endpoint.backendLoad?.receive(report, Math.floor(clock.now()))
  } catch (thrown) {
    // An observer may be a balancer of the user's, and this is undici's turn.
    endpoint.observerFailed(asError(thrown))
  }
  return true
}
