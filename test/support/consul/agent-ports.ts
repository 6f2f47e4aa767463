import { freePorts } from '../free-ports.js'

/** The ports of one agent; all others are off. */
export interface AgentPorts {
  readonly http: number
  readonly server: number
  readonly serf: number
  readonly dns: number
  /** Off unless the configuration opens it, for other datacenters to join. */
  readonly serfWan: number
}

/** Someone took a port between the moment it was found and the moment the agent bound it. */
export class PortTaken extends Error {}

const attempts = 5

/** Runs `start` with ports that were free on all `hosts` a moment before, and with others if one was taken meanwhile. */
export async function onFreePorts<T>(
  hosts: readonly string[],
  start: (ports: AgentPorts) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const [http, server, serf, dns, serfWan] = (await freePorts(5, hosts)) as [
      number,
      number,
      number,
      number,
      number,
    ]
    try {
      return await start({ http, server, serf, dns, serfWan })
    } catch (error) {
      if (!(error instanceof PortTaken) || attempt === attempts) throw error
    }
  }
}
