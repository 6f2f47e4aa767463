import { isIPv6, type LookupFunction, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { buildConnector } from 'undici'
import type { Instance } from '../discovery/resolver.js'
import { leaveProcessFree } from '../runtime/leave-process-free.js'

/** Node's own options for TLS, such as `ca`, `cert`, `key` and `servername`, and those of undici's connector. */
// Not `Omit` of `BuildOptions`: of a union it leaves what its members have in common, and `ca` is not among that.
export type TlsOptions = Omit<
  ConnectionOptions & Partial<TcpNetConnectOpts> & Pick<buildConnector.BuildOptions, OfUndici>,
  'timeout' | 'port' | 'host' | 'path' | 'socket'
>

type OfUndici = 'allowH2' | 'maxCachedSessions' | 'keepAlive' | 'keepAliveInitialDelay' | 'typeOfService'

/** Who connects to an instance: over TCP or TLS, by which identity. */
export type ConnectorFactory = (instance: Pick<Instance, 'origin' | 'addresses'>) => Connector

/**
 * Establishes one connection, and calls back once with its socket or with why there is none: before it returns, or later,
 * as where it has to fetch a certificate first. Returns how to cancel it; the time limit is its caller's.
 */
export type Connector = (target: buildConnector.Options, callback: buildConnector.Callback) => AbortConnect

/**
 * Cancels a connection that is not established yet, for this reason. Its connector need not call back any more, and a
 * socket that it calls back with all the same is destroyed.
 */
export type AbortConnect = (reason: Error) => void

/**
 * Connects over TCP, and over TLS where the instance speaks https: to the addresses that discovery has found behind the origin's host name, in their order, and
 * leaves the name to `Host` and TLS. Several are tried as RFC 8305 has it (Happy Eyeballs): the next one when one fails,
 * or has not answered for 250 ms, node's default. Without addresses the machine resolves the name each time, and what it
 * finds is tried in the same way.
 *
 * @param use `background`: no process is kept alive, neither by connecting nor by what is asked on the connection.
 */
export function tcpConnector(tls: TlsOptions, use: 'requests' | 'background' = 'requests'): ConnectorFactory {
  return ({ addresses }) => {
    const named = addresses === undefined || addresses.length === 0
    // Its types do not tell that it returns the socket.
    const connect = buildConnector({
      ...tls,
      // Its own limit goes by a clock that ticks once in half a second: 100 ms were a second.
      timeout: 0,
      ...(named ? {} : { lookup: lookupIn(addresses), autoSelectFamily: addresses.length > 1 }),
    }) as unknown as (...args: Parameters<buildConnector.connector>) => Socket
    return (target, callback) => {
      const socket = connect(target, callback)
      if (use === 'background') leaveProcessFree(socket)
      return (reason) => {
        socket.destroy(reason)
      }
    }
  }
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
