import { transports, type TransportWiring } from './endpoint-transports.js'
import { grpcCheck } from './health/grpc-check.js'
import type { HealthCheck } from './health/health-check.js'
import type { HealthCheckSettings } from './health/health-check-option.js'
import { HealthChecks } from './health/health-checks.js'
import { httpCheck } from './health/http-check.js'
import { tcpCheck } from './health/tcp-check.js'
import type { Events } from './observe/events.js'
import { tcpConnector } from './transport/connector.js'
import type { TransportFactory } from './transport/transport.js'

/** What the endpoints of a client are checked by. */
export interface HealthCheckWiring extends TransportWiring {
  readonly events: Events
}

/** Who checks the endpoints of a client actively; undefined: nobody. */
export function healthChecks(wiring: HealthCheckWiring): HealthChecks | undefined {
  const { settings, events, clock, random } = wiring
  const { service, healthCheck: limits } = settings
  if (limits === undefined) return undefined
  return new HealthChecks({
    check: healthCheck(limits, wiring),
    limits,
    onUnhealthy: ({ address: endpoint }, why) =>
      events.publish({ type: 'endpoint:health-check-failed', service, endpoint, why }),
    clock,
    random,
  })
}

function healthCheck(settings: HealthCheckSettings, wiring: HealthCheckWiring): HealthCheck {
  const { protocol, tls } = wiring.settings.connections
  if (settings.type === 'tcp') return tcpCheck(tcpConnector(tls, 'background'))
  const over = (spoken: 'http1' | 'http2' | 'auto'): TransportFactory =>
    transports(spoken, 'background', wiring)
  return settings.type === 'grpc' ? grpcCheck(over('http2'), settings) : httpCheck(over(protocol), settings)
}
