import { errors } from 'undici'
import type { ConnectorFactory } from '../transport/connector.js'
import { failedBy } from './failed-by.js'
import { HEALTHY, type HealthCheck } from './health-check.js'

/** Is a connection accepted, over TLS where the instance speaks https? It is closed at once. */
export function tcpCheck(connector: ConnectorFactory): HealthCheck {
  return (instance, onResult) => {
    const { host, hostname, protocol, port } = new URL(instance.origin)
    const target = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port }
    const abort = connector(instance)(target, (error, socket) => {
      socket?.destroy()
      onResult(error === null ? HEALTHY : failedBy(error))
    })
    return () => abort(new errors.RequestAbortedError())
  }
}
