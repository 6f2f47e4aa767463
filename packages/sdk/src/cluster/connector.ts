import { isIPv6, type LookupFunction, type TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { buildConnector } from 'undici'

/** Node's own options for TLS, such as `ca`, `cert`, `key` and `servername`, and those of undici's connector. */
// Not `Omit` of `BuildOptions`: of a union it leaves what its members have in common, and `ca` is not among that.
export type TlsOptions = Omit<
  ConnectionOptions & Partial<TcpNetConnectOpts> & Pick<buildConnector.BuildOptions, OfUndici>,
  'timeout' | 'port' | 'host' | 'path' | 'socket'
>

type OfUndici = 'allowH2' | 'maxCachedSessions' | 'keepAlive' | 'keepAliveInitialDelay' | 'typeOfService'

/** What of undici's connector is used here. */
type Connector = ReturnType<typeof buildConnector>

/**
 * Establishes connections to the addresses that discovery has found behind the origin's host name, in their order, and
 * leaves the name to `Host` and TLS. Several are tried as RFC 8305 has it (Happy Eyeballs): the next one when one fails,
 * or has not answered for 250 ms, node's default. Without addresses the machine resolves the name each time.
 *
 * @param timeoutMs For all of them together.
 */
export function connectorTo(
  addresses: readonly string[] | undefined,
  timeoutMs: number,
  tls: TlsOptions = {},
): Connector {
  if (addresses === undefined || addresses.length === 0) return buildConnector({ ...tls, timeout: timeoutMs })
  return buildConnector({
    ...tls,
    timeout: timeoutMs,
    lookup: lookupIn(addresses),
    autoSelectFamily: addresses.length > 1,
  })
}

/** A look-up, in the shape of `dns.lookup`, that has its answer at hand. */
function lookupIn(addresses: readonly string[]): LookupFunction {
  const answers = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }))
  return (_name, { all }, callback) => {
    // Asked for all when several are to be tried, else for one.
    if (all === true) callback(null, answers)
    else callback(null, answers[0]?.address ?? '', answers[0]?.family)
  }
}
