import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { FairleadError, systemClock, type Logger } from '@fairlead/sdk'
import { createAdminServer } from './admin/server.js'
import { Clients } from './clients.js'
import type { Config } from './config/config.js'
import type { Listen } from './config/listen.js'
import { OwnAddresses } from './config/own-addresses.js'
import { drain, drainOf } from './drain.js'
import { descriptorLimit, limitConnections, watchDescriptors } from './inbound/descriptors.js'
import { OwnHosts } from './inbound/own-hosts.js'
import { limitRepeats } from './log/repeats.js'
import { createProxyServer } from './proxy/server.js'

/** A running sidecar. */
export interface Sidecar {
  /** Where applications send their requests, `http://host:port`. */
  readonly address: string
  /** Where its admin pages are, `http://host:port`. */
  readonly adminAddress: string
  /**
   * Takes no new connections; requests in flight finish, or are aborted after `drainTimeoutMs`. Resolves to whether all of
   * them finished. Idempotent.
   */
  stop(): Promise<boolean>
}

/**
 * Starts a sidecar.
 *
 * @throws FairleadError `INVALID_OPTION` when an address cannot be listened on or a service name is invalid.
 */
export async function startSidecar(config: Config, logger: Logger): Promise<Sidecar> {
  rejectSameAddress(config)
  const own = new OwnAddresses(systemClock)
  own.add(config.listen)
  own.add(config.admin)
  // Repeats of lines about a service and of lines about requests to it are counted separately.
  const clients = new Clients(config, limitRepeats(logger, systemClock), systemClock, own.exclude)
  const { allowedHosts, services } = config
  const hosts = new OwnHosts([
    config.listen.host,
    config.admin.host,
    hostname(),
    ...services,
    ...allowedHosts,
  ])
  let draining = false
  const requestLog = limitRepeats(logger, systemClock)
  const admin = createAdminServer(clients, () => draining, hosts, requestLog, systemClock)
  const proxy = createProxyServer(clients, hosts, config.applicationTimeoutMs, requestLog, systemClock)
  const limit = descriptorLimit()
  if (limit !== undefined) limitConnections(proxy, limit)
  for (const server of [proxy, admin]) watchDescriptors(server, limit, logger, systemClock)
  const shutdown = drainOf(proxy, config.drainTimeoutMs, logger, systemClock)
  try {
    await listen(admin, '--admin', config)
    await listen(proxy, '--listen', config)
  } catch (error) {
    shutdown[Symbol.dispose]()
    admin.close()
    await clients.close()
    throw error
  }
  // For ports chosen by the system.
  for (const server of [proxy, admin]) own.add(listenOf(server))
  const address = addressOf(proxy)
  const adminAddress = addressOf(admin)
  logger.info({ address, admin: adminAddress, services: config.services }, 'listening')
  const stop = async (): Promise<boolean> => {
    draining = true
    const drained = await drain(shutdown, clients, logger)
    admin.close()
    admin.closeAllConnections()
    return drained
  }
  let stopped: Promise<boolean> | undefined
  return { address, adminAddress, stop: () => (stopped ??= stop()) }
}

/** Checked before binding: otherwise the second server would report the first as another process. */
function rejectSameAddress({ listen: proxy, admin }: Config): void {
  // 0 is a different port each time.
  if (proxy.port === 0 || proxy.port !== admin.port || proxy.host.toLowerCase() !== admin.host.toLowerCase())
    return
  throw new FairleadError(
    'INVALID_OPTION',
    `--listen and --admin are both ${textOf(proxy)}: give one of them another port`,
  )
}

async function listen(server: Server, option: '--listen' | '--admin', config: Config): Promise<void> {
  const { wanted, other } =
    option === '--admin'
      ? { wanted: config.admin, other: `--listen ${textOf(config.listen)}` }
      : { wanted: config.listen, other: `--admin ${textOf(config.admin)}` }
  server.listen(wanted.port, wanted.host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why =
      code === 'EADDRINUSE'
        ? // Two names of one address, or one of them a wildcard.
          config.listen.port === config.admin.port
          ? `is in use, and ${other} has the same port: choose another port for one of them`
          : 'is in use by another process: stop that process, or choose another port'
        : `cannot be listened on: ${message}`
    throw new FairleadError('INVALID_OPTION', `${option} ${textOf(wanted)} ${why}`, { cause: error })
  }
}

function listenOf(server: Server): Listen {
  const { address, port } = server.address() as AddressInfo
  return { host: address, port }
}

function addressOf(server: Server): string {
  return `http://${textOf(listenOf(server))}`
}

function textOf({ host, port }: Listen): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
