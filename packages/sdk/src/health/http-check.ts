import type { TransportFactory } from '../transport/transport.js'
import { checkByRequest } from './check-request.js'
import { HEALTHY, type HealthCheck } from './health-check.js'

export interface HttpCheckOptions {
  /** What is asked for, by GET. */
  readonly path: string
  /** Of a healthy instance. */
  readonly expectedStatuses: readonly number[]
}

/** Has the answer to a GET one of these statuses? */
export function httpCheck(createTransport: TransportFactory, options: HttpCheckOptions): HealthCheck {
  const { path, expectedStatuses } = options
  return checkByRequest(
    createTransport,
    // Its connection is closed behind it, as the server is told.
    { method: 'GET', path, headers: ['user-agent', 'fairlead-health-check'], reset: true },
    () => ({
      head: (statusCode) =>
        expectedStatuses.includes(statusCode)
          ? undefined
          : { kind: 'unhealthy', why: `GET ${path} was answered with ${statusCode}` },
      end: () => HEALTHY,
    }),
  )
}
