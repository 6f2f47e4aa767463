import type { Cluster } from '../cluster/cluster.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { Deadline } from '../deadline/deadline.js'
import { FairleadError, reasonOf } from '../errors.js'
import type { NotRetried } from '../resilience/not-retried.js'
import { invalidOption } from '../validation/invalid-option.js'
import type { Call } from './call.js'
import type { FailedAttempt } from './call-owner.js'

/** What asked for an endpoint in vain. */
export interface Unserved {
  readonly service: string
  readonly errors: readonly Error[]
  readonly tried: readonly Endpoint[]
  /** Only where not, `false`, it may not go to what is retained. */
  readonly idempotent: boolean | undefined
  /** For people: `POST /v1/orders`. */
  readonly title: string
}

/** The endpoint's circuit gives no leave, although it was picked: by a balancer that does not look at `available`. */
export function refused(call: Call, endpoint: Endpoint): FailedAttempt {
  const { service } = call
  const { address } = endpoint
  const error = new FairleadError('UNAVAILABLE', `the circuit of ${service} at ${address} is open`, {
    service,
    endpoint: address,
  })
  return { endpoint, error, fault: 'endpoint', advice: undefined, written: false, ordinal: call.attempts + 1 }
}

/**
 * Where retries are off, the one who retries instead (undici's RetryAgent, p-retry, a service mesh's client) goes by the
 * error's own code: it is handed on as it is, with where it happened.
 */
export function located(service: string, { error, endpoint }: FailedAttempt): Error {
  if (!(error instanceof FairleadError) && Object.isExtensible(error)) {
    Object.assign(error, { service, endpoint: endpoint.address })
  }
  return error
}

/** @param final Why there is no other attempt. */
export function exhausted(call: Call, failed: FailedAttempt, final: NotRetried): FairleadError {
  const { method, path } = call.options
  const { endpoint, error, advice } = failed
  const tries = call.errors.length === 1 ? '' : ` after ${call.errors.length} attempts`
  return new FairleadError(
    // Where it is this machine that had no connection to give, the endpoint is not the one to look at.
    advice === undefined ? 'ATTEMPTS_EXHAUSTED' : 'OVERLOADED',
    `${method} ${path} to ${call.service} at ${endpoint.address} failed${tries}: ${reasonOf(error)}` +
      `; ${advice ?? `not tried again: ${final.text}`}`,
    { service: call.service, endpoint: endpoint.address, errors: call.errors, cause: error },
  )
}

/** The deadline came before discovery's first answer. */
export function unresolved(service: string, cluster: Cluster, boundBy?: Deadline): FairleadError {
  const whose = boundBy === undefined ? '' : ` by the deadline of its request (${boundBy.source})`
  return new FairleadError('NO_ENDPOINTS', `${service} has no endpoint yet${whose}: ${cluster.whyEmpty()}`, {
    service,
  })
}

/** Discovery has answered, and yet there is no endpoint: the answer was empty, or all endpoints are unavailable. */
export function nothingToPick(call: Unserved, cluster: Cluster): FairleadError {
  const { service, errors } = call
  if (cluster.closed) return clientClosed(service)
  const count = cluster.endpoints.length
  const retained = cluster.endpoints.filter((endpoint) => endpoint.retained)
  if (call.idempotent === false && count > 0 && retained.length === count) {
    return new FairleadError(
      'NO_ENDPOINTS',
      `${service} has no endpoint for ${call.title}: all ${count} are retained although discovery no longer lists them, and their addresses may be another service's by now; only idempotent requests are sent there (option idempotent)`,
      { service, errors },
    )
  }
  const { tried } = call
  const passedOver = cluster.endpoints.filter(
    (each) => each.available && !each.retained && !tried.includes(each),
  ).length
  if (passedOver > 0) {
    return new FairleadError(
      'NO_ENDPOINTS',
      `the balancer of ${service} picked none of ${passedOver} available endpoints (option balancer)`,
      { service, errors },
    )
  }
  return count === 0
    ? new FairleadError('NO_ENDPOINTS', `${service} has no endpoint: ${cluster.whyEmpty()}`, {
        service,
        errors,
      })
    : new FairleadError('UNAVAILABLE', allUnavailable(call, cluster, retained), { service, errors })
}

/** The caller wants none of those that there are. */
export function excludedAll(service: string, count: number): FairleadError {
  return new FairleadError(
    'NO_ENDPOINTS',
    `${service} has no other endpoint: all ${count} are excluded (option exclude of acquire)`,
    { service },
  )
}

/** A balancer of the user's has picked what is no endpoint. */
export function mispicked(picked: unknown): FairleadError {
  return invalidOption('what balancer picked', picked, 'one of the endpoints that it was given, or undefined')
}

export function clientClosed(service: string): FairleadError {
  return new FairleadError('CLIENT_CLOSED', `the client of ${service} is closed; make a new one`, { service })
}

function allUnavailable(
  { service, idempotent }: Unserved,
  cluster: Cluster,
  retained: readonly Endpoint[],
): string {
  const { endpoints } = cluster
  const available = retained.filter(({ blocked }) => !blocked).length
  const listed = endpoints.filter((endpoint) => !endpoint.retained)
  return idempotent !== false || available === 0
    ? `all ${endpoints.length} endpoints of ${service} are unavailable: ${cluster.whyUnavailable(endpoints)}`
    : `all ${listed.length} endpoints of ${service} that discovery lists are unavailable: ${cluster.whyUnavailable(listed)}; and ${available} that are retained although no longer listed get only idempotent requests (option idempotent)`
}
