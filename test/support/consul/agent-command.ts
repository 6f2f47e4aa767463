import { randomUUID } from 'node:crypto'
import type { AgentPorts } from './agent-ports.js'

/** Consul's configuration in its own form. */
export type ConsulConfig = Readonly<Record<string, unknown>>

/** A place for the agent's data, and what else is particular to one agent. */
export interface AgentSettings {
  readonly name: string
  /** The address that it binds, and that it serves its clients at. */
  readonly host: string
  readonly ports: AgentPorts
  readonly dataDir: string
  /** Configurations in turn, each over the one before, and all of them over ours. */
  readonly configs: readonly ConsulConfig[]
  /** Folders of this machine that the agent reads or writes. */
  readonly folders: readonly string[]
}

/** The role of an agent that needs no other. */
export const soleServer: ConsulConfig = { server: true, bootstrap_expect: 1 }

// From 1.14 on a server also opens gRPC over TLS, on a fixed port that two agents would fight over. Older ones
// reject the option, so the binary itself is asked; in the shell, because a container's can be asked only there.
// `exec` makes the agent the process that signals reach.
const launch = `
if "$0" agent -help 2>&1 | grep -q -- -grpc-tls-port; then set -- "$@" -grpc-tls-port=-1; fi
exec "$0" agent "$@"
`

/** The arguments of `sh` that run an agent, whose data survives a restart. */
export function agentCommand(
  binary: string,
  { name, host, ports, dataDir, configs }: AgentSettings,
): string[] {
  const base: ConsulConfig = {
    // Not -dev: its agent keeps everything in memory.
    data_dir: dataDir,
    node_name: name,
    // Consul keeps its id with its data, and for a while refuses a node that comes back under another: an agent
    // whose data was wiped must be the same node.
    node_id: randomUUID(),
    bind_addr: host,
    client_addr: host,
    ports: {
      http: ports.http,
      server: ports.server,
      serf_lan: ports.serf,
      serf_wan: -1,
      dns: ports.dns,
      grpc: -1,
    },
    // The default of 5 suits small cloud machines; 1 brings the first leader in about a second.
    performance: { raft_multiplier: 1 },
    // A stopped agent must come back as the same member with the same services.
    leave_on_terminate: false,
    log_level: 'warn',
    disable_update_check: true,
  }
  // HCL takes JSON too. Given in turn, Consul merges them itself.
  return ['-c', launch, binary, ...[base, ...configs].flatMap((config) => ['-hcl', JSON.stringify(config)])]
}
