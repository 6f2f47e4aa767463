import type { Dispatcher } from 'undici'
import type { Clock } from '../clock.js'
import { ATTEMPT, PREVIOUS_ATTEMPTS } from './attempt-headers.js'
import { withHeaders } from '../request/with-headers.js'
import { Deadline, type DeadlineHeader } from './deadline.js'
import { formatGrpcTimeout, parseGrpcTimeout } from './grpc-timeout.js'

/** The headers of a request that a server has received, as `node:http` and Fastify have them. */
export type ReceivedHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

const ENVOY = 'x-envoy-expected-rq-timeout-ms'
const GRPC = 'grpc-timeout'

/** All that are known. */
export const DEADLINE_HEADERS: readonly DeadlineHeader[] = Object.freeze([ENVOY, GRPC])

const BY_ENVOY: readonly DeadlineHeader[] = Object.freeze([ENVOY])
const BY_GRPC: readonly DeadlineHeader[] = Object.freeze([GRPC])

/**
 * By when an incoming request has to be answered, as its headers say: by the earlier one, where there are both.
 * What is not in the format of its header is as if it were not there.
 *
 * @param longestMs What a longer time is taken for, in milliseconds.
 */
export function incomingDeadline(
  headers: ReceivedHeaders,
  longestMs: number,
  clock: Clock,
): Deadline | undefined {
  const { [ENVOY]: envoy, [GRPC]: grpc } = headers
  const ofRetry = isRetryOf(headers)
  // Most requests have none.
  if (envoy === undefined && grpc === undefined && !ofRetry) return undefined
  const envoyMs = typeof envoy === 'string' ? parseEnvoyTimeout(envoy) : undefined
  const grpcMs = typeof grpc === 'string' ? parseGrpcTimeout(grpc) : undefined
  if (envoyMs === undefined && grpcMs === undefined) {
    return ofRetry ? new Deadline(clock, Infinity, 'none', [], ofRetry) : undefined
  }
  const name = (grpcMs ?? Infinity) < (envoyMs ?? Infinity) ? GRPC : ENVOY
  const ms = Math.min(envoyMs ?? Infinity, grpcMs ?? Infinity, longestMs)
  return new Deadline(
    clock,
    clock.now() + ms,
    `${name} of the incoming request, ${ms} ms`,
    envoyMs === undefined ? BY_GRPC : grpcMs === undefined ? BY_ENVOY : DEADLINE_HEADERS,
    ofRetry,
  )
}

function isRetryOf({ [ATTEMPT]: attempt, [PREVIOUS_ATTEMPTS]: previous }: ReceivedHeaders): boolean {
  return (attempt !== undefined && Number(attempt) > 1) || (previous !== undefined && Number(previous) > 0)
}

/**
 * The request with the time that is left in each of these headers, but for those that it has already: its caller knows
 * better. Headers are an array or an object by now.
 *
 * @param remainingMs Rounded down, and told as at least 1 ms.
 */
export function withDeadlineHeaders(
  options: Dispatcher.DispatchOptions,
  names: readonly DeadlineHeader[],
  remainingMs: number,
): Dispatcher.DispatchOptions {
  return withHeaders(
    options,
    names.flatMap((name) => [name, format(name, remainingMs)]),
  )
}

function format(name: DeadlineHeader, remainingMs: number): string {
  return name === GRPC ? formatGrpcTimeout(remainingMs) : formatEnvoyTimeout(remainingMs)
}

// As many digits as a number holds exactly.
const WHOLE = /^\d{1,15}$/
const MOST = 999_999_999_999_999

/** Envoy sets it only where there is a limit; its 0 is none. */
function parseEnvoyTimeout(text: string): number | undefined {
  const ms = WHOLE.test(text) ? Number(text) : 0
  return ms === 0 ? undefined : ms
}

function formatEnvoyTimeout(ms: number): string {
  return String(Math.min(Math.max(Math.floor(ms), 1), MOST))
}
