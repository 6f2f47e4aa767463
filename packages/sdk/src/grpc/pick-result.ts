import { experimental, Metadata, status as Status } from '@grpc/grpc-js'
import { FairleadError } from '../errors.js'

export type Pick = experimental.PickResult

/** Again with the next news of the load balancer. */
export const QUEUED: Pick = Object.freeze({
  pickResultType: experimental.PickResultType.QUEUE,
  subchannel: null,
  status: null,
  onCallStarted: null,
  onCallEnded: null,
})

/** The end of a call, unless it waits for another state (`waitForReady`). */
export function failed(error: Error): Pick {
  return endedBy(experimental.PickResultType.TRANSIENT_FAILURE, Status.UNAVAILABLE, error)
}

/** The end of a call in any case: there is nothing to wait for. */
export function dropped(code: Status, error: Error): Pick {
  return endedBy(experimental.PickResultType.DROP, code, error)
}

function endedBy(pickResultType: experimental.PickResultType, code: Status, error: Error): Pick {
  const status = { code, details: detailsOf(error), metadata: new Metadata() }
  return { pickResultType, subchannel: null, status, onCallStarted: null, onCallEnded: null }
}

function detailsOf(error: Error): string {
  return error instanceof FairleadError ? `${error.code}: ${error.message}` : error.message
}
