import type { Instance } from '../discovery/resolver.js'
import type { Pong } from '../resilience/stall/silence.js'
import type { TransportFactory } from '../transport/transport.js'
import { checkByRequest } from './check-request.js'
import { HEALTHY } from './health-check.js'

/** Asks an instance whether it is there; returns how to stop waiting. */
type Pinger = (instance: Instance, onResult: (pong: Pong) => void) => () => void

/**
 * By `OPTIONS /`: it changes nothing by definition, and whatever the answer is, it is one (RFC 9110, 9.3.7). On a
 * connection of its own: none of the old ones has brought a byte, and the system resends on them ever more rarely.
 */
export function pinger(createTransport: TransportFactory): Pinger {
  const check = checkByRequest(
    createTransport,
    { method: 'OPTIONS', path: '/', headers: ['user-agent', 'fairlead-ping'], reset: true },
    () => ({ head: () => HEALTHY, end: () => HEALTHY }),
  )
  return (instance, onResult) =>
    check(instance, ({ kind }) => onResult(kind === 'healthy' || kind === 'unhealthy' ? 'answered' : kind))
}
