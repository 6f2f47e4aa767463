import { util } from 'undici'
import type { TransportFactory } from '../transport/transport.js'
import { checkByRequest, type ResponseReader } from './check-request.js'
import { servingStatus, toCheckMessage } from './grpc-health-messages.js'
import { HEALTHY, type CheckResult, type HealthCheck } from './health-check.js'

export interface GrpcCheckOptions {
  /** Whose health is asked for; empty: that of the whole server. */
  readonly service: string
  /** Told to the server as `grpc-timeout`, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * `grpc.health.v1.Health/Check`: does the server say SERVING? As in Envoy, anything else that it answers is unhealthy,
 * UNIMPLEMENTED (it has no such service) and NOT_FOUND (it does not know `service`) included.
 *
 * @param createTransport Of HTTP/2.
 */
export function grpcCheck(createTransport: TransportFactory, options: GrpcCheckOptions): HealthCheck {
  const { service, timeoutMs } = options
  return checkByRequest(
    createTransport,
    {
      method: 'POST',
      path: '/grpc.health.v1.Health/Check',
      headers: [
        ...['content-type', 'application/grpc'],
        ...['te', 'trailers'],
        ...['user-agent', 'fairlead-health-check'],
        ...['grpc-timeout', `${timeoutMs}m`],
      ],
      body: toCheckMessage(service),
    },
    () => new GrpcReader(),
  )
}

class GrpcReader implements ResponseReader {
  #headers: readonly Buffer[] = []

  head(statusCode: number, headers: readonly Buffer[]): CheckResult | undefined {
    this.#headers = headers
    return statusCode === 200
      ? undefined
      : { kind: 'unhealthy', why: `the gRPC health check was answered with HTTP ${statusCode}` }
  }

  end(body: Buffer, trailers: readonly Buffer[]): CheckResult {
    // Without a message all of it is in the head (Trailers-Only).
    const fields = util.parseHeaders([...this.#headers, ...trailers])
    const { 'grpc-status': status, 'grpc-message': message } = fields
    if (status !== '0') {
      const words = message === undefined ? '' : ` (${String(message)})`
      return { kind: 'unhealthy', why: `the gRPC health check failed: grpc-status ${String(status)}${words}` }
    }
    const serving = servingStatus(body)
    return serving === 'SERVING'
      ? HEALTHY
      : { kind: 'unhealthy', why: `the gRPC health check says ${serving}` }
  }
}
