import type { FairleadErrorCode } from '@fairlead/sdk'

/** Codes that are the sidecar's alone: what is wrong with what the application sent, and a fault of ours. */
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

/** What `x-fairlead-error` may say. A wrong option is one that a request chose: a `BAD_REQUEST`. */
export type ErrorCode = Exclude<FairleadErrorCode, 'INVALID_OPTION'> | SidecarErrorCode

interface Meaning {
  readonly status: number
  /** For people, as `--help` and docs/errors.md have it. */
  readonly why: string
}

/**
 * Every answer of the sidecar's own, by status: `ownError` makes them by it, `--help` prints
 * this, and docs/errors.md is made of it.
 */
export const ERROR_CODES: Readonly<Record<ErrorCode, Meaning>> = {
  BAD_REQUEST: {
    status: 400,
    why: 'it names no service, is not HTTP/1.1, or cannot be sent to any instance',
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
    why: 'its head is over 16 KiB, or what `NODE_OPTIONS=--max-http-header-size=BYTES` says',
  },
  INTERNAL: { status: 500, why: 'a fault of the sidecar: please report what the body says' },
  NOT_IMPLEMENTED: {
    status: 501,
    why: '`CONNECT`, `Upgrade` (WebSocket), or a `Transfer-Encoding` other than `chunked`',
  },
  ATTEMPTS_EXHAUSTED: { status: 502, why: 'it was sent, failed, and must not or may not be sent again' },
  NO_ENDPOINTS: { status: 503, why: 'Consul cannot be reached, or knows no healthy instance' },
  CIRCUIT_OPEN: { status: 503, why: 'every instance failed too often, and `--panic-threshold` is 0' },
  OVERLOADED: {
    status: 503,
    why: 'more services than `--max-services`, or no descriptor, port or memory left for a connection',
  },
  CLIENT_CLOSED: { status: 503, why: 'the sidecar is ending, or has just forgotten an idle service' },
  DEADLINE_EXCEEDED: { status: 504, why: 'no response within `--timeout`' },
  HTTP_VERSION_NOT_SUPPORTED: {
    status: 505,
    why: 'HTTP/2 (its clients get GOAWAY, `HTTP_1_1_REQUIRED`), or none of HTTP/1.1 and HTTP/1.0',
  },
  LOOP_DETECTED: { status: 508, why: 'it has come through 10 sidecars' },
}

/** The table as lines of `--help`. */
export function errorHelp(): string {
  const width = Math.max(...Object.keys(ERROR_CODES).map(({ length }) => length))
  return Object.entries(ERROR_CODES)
    .map(([code, { status, why }]) => `  ${status} ${code.padEnd(width)}  ${why.replaceAll('`', '')}`)
    .join('\n')
}
