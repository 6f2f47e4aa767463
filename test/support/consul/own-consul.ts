import { dirname } from 'node:path'
import { aclConfig } from './acl.js'
import { serves } from './agent-api.js'
import { soleServer, type ConsulConfig } from './agent-command.js'
import { onFreePorts } from './agent-ports.js'
import { findLauncher, type Launcher, type Log } from './launcher.js'
import { OwnAgent } from './own-agent.js'
import type { OwnKind } from './test-consul.js'
import { tlsConfig, type TlsSettings } from './tls.js'

const host = '127.0.0.1'

/** What the caller wants of an agent of our own beyond a leader. */
export interface OwnConsulSettings {
  /** Consul's own configuration, over ours: `node_meta`, `connect`, … */
  readonly config?: ConsulConfig | undefined
  /** Turns ACLs on: all is denied but what a token grants, and this one grants everything. A UUID. */
  readonly managementToken?: string | undefined
  /** Turns HTTPS on and HTTP off; callers of the {@link OwnAgent} have a certificate of the authority. */
  readonly tls?: TlsSettings | undefined
  /** Opens the HTTP API on a unix socket too; the path of a file in a folder that is there. */
  readonly socketPath?: string | undefined
  /** Ends the start; the promise rejects with its reason and nothing stays behind. */
  readonly signal?: AbortSignal | undefined
}

export interface OwnConsulOptions extends OwnConsulSettings {
  /** What the caller can work with, best first. @defaultValue container, process */
  readonly kinds?: readonly OwnKind[]
  /** Hears of steps that take a while. */
  readonly log?: Log
}

/**
 * A real Consul of the caller's own, to stop, start and wipe: one server, ready to serve. Never the agent of
 * `CONSUL_HTTP_ADDR`, which cannot be stopped or wiped. Rejects in one line if there is none.
 */
export async function startOwnConsul({ kinds, log, ...settings }: OwnConsulOptions = {}): Promise<OwnAgent> {
  return startSoleServer(await findLauncher(kinds, log), settings)
}

export async function startSoleServer(launcher: Launcher, settings: OwnConsulSettings): Promise<OwnAgent> {
  const { config, managementToken, tls, socketPath, signal } = settings
  const clientTls = await tls?.authority.issue('management')
  return onFreePorts([host], async (ports) => {
    const configs = [soleServer]
    const folders: string[] = []
    if (managementToken !== undefined) configs.push(aclConfig(managementToken))
    if (tls !== undefined) {
      configs.push(await tlsConfig(tls, host, ports.http))
      folders.push(tls.authority.folder)
    }
    if (socketPath !== undefined) {
      configs.push(socketConfig(socketPath))
      folders.push(dirname(socketPath))
    }
    if (config !== undefined) configs.push(config)
    return OwnAgent.start(launcher, {
      name: 'fairlead',
      host,
      ports,
      configs,
      folders,
      token: managementToken,
      tls: clientTls,
      ready: serves,
      signal,
    })
  })
}

function socketConfig(path: string): ConsulConfig {
  return {
    addresses: { http: `${host} unix://${path}` },
    // The agent of a container is root, and who runs the test may be someone else.
    unix_sockets: { mode: '0777' },
  }
}
