import type { FairleadErrorCode } from '@fairlead/sdk'

/** Codes of the sidecar only: for an invalid request of the application, and for a fault of the sidecar. */
type SidecarErrorCode =
  | 'BAD_REQUEST'
  | 'REQUEST_TIMEOUT'
  | 'CONTENT_TOO_LARGE'
  | 'EXPECTATION_FAILED'
  | 'MISDIRECTED_REQUEST'
  | 'HEADERS_TOO_LARGE'
  | 'INTERNAL'
  | 'NOT_IMPLEMENTED'
  | 'HTTP_VERSION_NOT_SUPPORTED'
  | 'LOOP_DETECTED'

/** The codes of `x-fairlead-error`. An invalid option here comes from the request: `BAD_REQUEST`. */
export type ErrorCode = Exclude<FairleadErrorCode, 'INVALID_OPTION'> | SidecarErrorCode

interface Meaning {
  readonly status: number
  /** For people, in `--help` and docs/errors.md. */
  readonly why: string
}

/**
 * Every error response of the sidecar, by status: `ownError` uses it, `--help` prints it, and
 * docs/errors.md is made of it.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, Meaning>> = {
  BAD_REQUEST: {
    status: 400,
    why: 'it does not name a service, is not HTTP/1.1, or is invalid',
  },
  REQUEST_TIMEOUT: {
    status: 408,
    why: 'its head took longer than 60 s, or its body paused for longer than `--application-timeout`',
  },
  CONTENT_TOO_LARGE: { status: 413, why: 'the extensions of its chunks are over 16 KiB' },
  EXPECTATION_FAILED: { status: 417, why: 'it has an `Expect` other than `100-continue`' },
  MISDIRECTED_REQUEST: { status: 421, why: 'its `Host` may be that of a web page: see `--allowed-host`' },
  HEADERS_TOO_LARGE: {
    status: 431,
    why: 'its head is over 16 KiB, or `NODE_OPTIONS=--max-http-header-size=BYTES`',
  },
  INTERNAL: { status: 500, why: 'a fault of the sidecar: please report what the body says' },
  NOT_IMPLEMENTED: {
    status: 501,
    why: '`CONNECT`, `Upgrade` (WebSocket), or a `Transfer-Encoding` other than `chunked`',
  },
  ATTEMPTS_EXHAUSTED: { status: 502, why: 'it failed, and may not be retried (again)' },
  NO_ENDPOINTS: { status: 503, why: 'Consul cannot be reached, or knows no healthy instance' },
  UNAVAILABLE: {
    status: 503,
    why: 'every instance is unavailable, such as by an open circuit, and `--panic-threshold` is 0',
  },
  OVERLOADED: {
    status: 503,
    why: 'more requests than `--max-concurrent` and `--queue-max`, more services than `--max-services`, or no descriptor, port or memory left for a connection',
  },
  CLIENT_CLOSED: { status: 503, why: 'the sidecar is shutting down, or has just evicted an idle service' },
  DEADLINE_EXCEEDED: {
    status: 504,
    why: 'no response within `--timeout`, or within the time that the request gave',
  },
  HTTP_VERSION_NOT_SUPPORTED: {
    status: 505,
    why: 'HTTP/2 (its clients get GOAWAY, `HTTP_1_1_REQUIRED`), or not HTTP/1.1 or HTTP/1.0',
  },
  LOOP_DETECTED: { status: 508, why: 'it has been forwarded by 10 sidecars' },
}

/** The table as lines of `--help`. */
export function errorHelp(): string {
  const width = Math.max(...Object.keys(ERROR_CODES).map(({ length }) => length))
  return Object.entries(ERROR_CODES)
    .map(([code, { status, why }]) => `  ${status} ${code.padEnd(width)}  ${why.replaceAll('`', '')}`)
    .join('\n')
}
