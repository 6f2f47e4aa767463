import { eventually } from '../poll.js'
import { aclConfig } from './acl.js'
import { answers, leaderOf, serves } from './agent-api.js'
import { onFreePorts, type AgentPorts } from './agent-ports.js'
import { closeAll, configOf, joinConfig, startTogether, type GroupOptions } from './group.js'
import { findLauncher } from './launcher.js'
import { OwnAgent } from './own-agent.js'
import { tlsConfig, type TlsSettings } from './tls.js'

// As for the start of one agent: seconds here, and thirty times that on a loaded machine.
const leaderDeadlineMs = 60_000

/** Nodes are called `server-1`, `server-2`, … and `client`. */
export interface ClusterOptions extends GroupOptions {
  /** @defaultValue 3, the least that goes on without one. */
  readonly servers?: number
  /** Turns ACLs on: all is denied but what a token grants, and this one grants everything. A UUID. */
  readonly managementToken?: string
  /** Turns HTTPS on and HTTP off at every agent, as `startOwnConsul` does it. */
  readonly tls?: TlsSettings
}

/**
 * Servers that elect a leader among them, and a client agent that asks them: each on an address of its own, from
 * 127.0.0.2 on, and all on the same ports, which are found. Resolves when all of them know the leader.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { servers = 3, config, managementToken, tls, kinds, signal, log } = options
  const launcher = await findLauncher(kinds, log)
  const clientTls = await tls?.authority.issue('management')
  const names = [...Array.from({ length: servers }, (_, index) => `server-${index + 1}`), 'client']
  const nodes = names.map((name, index) => ({ name, host: `127.0.0.${index + 2}` }))
  const start = async (ports: AgentPorts): Promise<Cluster> => {
    const addresses = nodes.slice(0, servers).map(({ host }) => `${host}:${ports.serf}`)
    const shared = [
      // A leader that stands still for 500 ms times this steps down. An agent alone has no one to step down for.
      { performance: { raft_multiplier: 2 } },
      joinConfig('lan', addresses),
      ...(managementToken === undefined ? [] : [aclConfig(managementToken)]),
    ]
    const starts = nodes.map(
      ({ name, host }) =>
        async (over: AbortSignal) =>
          OwnAgent.start(launcher, {
            name,
            host,
            ports,
            configs: [
              name === 'client' ? { server: false } : { server: true, bootstrap_expect: servers },
              ...shared,
              ...(tls === undefined ? [] : [await tlsConfig(tls, host, ports.http)]),
              configOf(config, name),
            ],
            folders: tls === undefined ? [] : [tls.authority.folder],
            token: managementToken,
            tls: clientTls,
            // Not a leader: one server of three must be able to come back while there is none.
            ready: answers,
            signal: over,
          }),
    )
    return new Cluster(await startTogether(starts, signal))
  }
  const hosts = nodes.map(({ host }) => host)
  const cluster = await onFreePorts(hosts, start)
  try {
    await cluster.untilLeads(signal)
    return cluster
  } catch (error) {
    await cluster.close()
    throw error
  }
}

/**
 * What {@link startCluster} started. The `start` of one of its agents waits for that agent alone;
 * {@link Cluster.untilLeads} waits for all that run.
 */
export class Cluster implements AsyncDisposable {
  readonly servers: readonly OwnAgent[]
  readonly client: OwnAgent
  /** The servers, and then the client. */
  readonly agents: readonly OwnAgent[]

  constructor(agents: readonly OwnAgent[]) {
    this.agents = agents
    this.servers = agents.slice(0, -1)
    this.client = agents.at(-1) as OwnAgent
  }

  /** The server that leads now, by its own word; undefined while none does. */
  async leader(): Promise<OwnAgent | undefined> {
    const leading = await Promise.all(this.servers.map(isLeader))
    return this.servers.find((_, index) => leading[index])
  }

  /** SIGKILL to the server that leads; resolves with it, to be started again. */
  async killLeader(): Promise<OwnAgent> {
    const leader = await this.leader()
    if (leader === undefined) throw new Error('no server leads, so there is none to kill')
    await leader.kill()
    return leader
  }

  /** Waits until one server leads, and every agent that runs knows it and serves the catalog; resolves with it. */
  untilLeads(signal?: AbortSignal): Promise<OwnAgent> {
    const probe = async (): Promise<OwnAgent | undefined> => {
      const leader = await this.leader()
      if (leader === undefined) return undefined
      const agreed = await Promise.all(this.agents.map((agent) => follows(agent, leader)))
      return agreed.every(Boolean) ? leader : undefined
    }
    return eventually(probe, { what: 'a leader of the cluster', deadlineMs: leaderDeadlineMs, signal })
  }

  close(): Promise<void> {
    return closeAll(this.agents)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

async function isLeader(server: OwnAgent): Promise<boolean> {
  if (!(await server.running())) return false
  const leader = await leaderOf(server).catch(() => '')
  return leader === rpcAddress(server)
}

async function follows(agent: OwnAgent, leader: OwnAgent): Promise<boolean> {
  if (!(await agent.running())) return true
  return (await leaderOf(agent)) === rpcAddress(leader) && (await serves(agent))
}

function rpcAddress({ host, ports }: OwnAgent): string {
  return `${host}:${ports.server}`
}
