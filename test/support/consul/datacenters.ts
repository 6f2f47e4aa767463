import { eventually } from '../poll.js'
import { query, serves } from './agent-api.js'
import { soleServer } from './agent-command.js'
import { onFreePorts, type AgentPorts } from './agent-ports.js'
import { closeAll, configOf, joinConfig, startTogether, type GroupOptions } from './group.js'
import { findLauncher } from './launcher.js'
import { OwnAgent } from './own-agent.js'

// They join in a moment; a loaded machine gets as long as for the start of an agent.
const joinDeadlineMs = 60_000

const nodes = [
  { name: 'dc1', host: '127.0.0.2' },
  { name: 'dc2', host: '127.0.0.3' },
] as const

/** Two datacenters that know each other: a server each, called as its datacenter, joined over the WAN. */
export interface Datacenters extends AsyncDisposable {
  readonly dc1: OwnAgent
  readonly dc2: OwnAgent
  /** Waits until each answers for the other: for when one was away. */
  untilJoined(signal?: AbortSignal): Promise<void>
}

/** Starts the datacenters `dc1` and `dc2`. Resolves when each answers for the other. */
export async function startDatacenters(options: GroupOptions = {}): Promise<Datacenters> {
  const { config, kinds, signal, log } = options
  const launcher = await findLauncher(kinds, log)
  const hosts = nodes.map(({ host }) => host)
  const start = (ports: AgentPorts): Promise<OwnAgent[]> => {
    const addresses = hosts.map((host) => `${host}:${ports.serfWan}`)
    const starts = nodes.map(
      ({ name, host }) =>
        (over: AbortSignal) =>
          OwnAgent.start(launcher, {
            name,
            host,
            ports,
            configs: [
              soleServer,
              { datacenter: name, ports: { serf_wan: ports.serfWan } },
              joinConfig('wan', addresses),
              configOf(config, name),
            ],
            folders: [],
            ready: serves,
            signal: over,
          }),
    )
    return startTogether(starts, signal)
  }
  const [dc1, dc2] = (await onFreePorts(hosts, start)) as [OwnAgent, OwnAgent]
  const close = (): Promise<void> => closeAll([dc1, dc2])
  const untilJoined = async (until?: AbortSignal): Promise<void> => {
    await Promise.all([untilAnswersFor('dc2', dc1, until), untilAnswersFor('dc1', dc2, until)])
  }
  try {
    await untilJoined(signal)
  } catch (error) {
    await close()
    throw error
  }
  return { dc1, dc2, untilJoined, [Symbol.asyncDispose]: close }
}

async function untilAnswersFor(datacenter: string, agent: OwnAgent, signal?: AbortSignal): Promise<void> {
  const what = `${agent.name} to answer for ${datacenter}`
  const probe = async (): Promise<boolean> => {
    const servers = (await query(agent, `health/service/consul?dc=${datacenter}`)) as unknown[]
    return servers.length > 0
  }
  await eventually(probe, { what, deadlineMs: joinDeadlineMs, signal })
}
