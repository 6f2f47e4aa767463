/** The ports of one agent; all others are off. */
export interface AgentPorts {
  readonly http: number
  readonly server: number
  readonly serf: number
}

/** A place for the agent's data, and what else is particular to one agent. */
export interface AgentSettings {
  readonly ports: AgentPorts
  readonly dataDir: string
  /** Configuration in Consul's own form, which goes over ours. */
  readonly config?: Readonly<Record<string, unknown>> | undefined
}

// From 1.14 on a server also opens gRPC over TLS, on a fixed port that two agents would fight over. Older ones
// reject the option, so the binary itself is asked; in the shell, because a container's can be asked only there.
// `exec` makes the agent the process that signals reach.
const launch = `
if "$0" agent -help 2>&1 | grep -q -- -grpc-tls-port; then set -- "$@" -grpc-tls-port=-1; fi
exec "$0" agent "$@"
`

/** The arguments of `sh` that run an agent: one server of 127.0.0.1, whose data survives a restart. */
export function agentCommand(binary: string, { ports, dataDir, config }: AgentSettings): string[] {
  const base = {
    server: true,
    bootstrap_expect: 1,
    // Not -dev: its agent keeps everything in memory.
    data_dir: dataDir,
    node_name: 'fairlead',
    bind_addr: '127.0.0.1',
    client_addr: '127.0.0.1',
    ports: { http: ports.http, server: ports.server, serf_lan: ports.serf, serf_wan: -1, dns: -1, grpc: -1 },
    // The default of 5 suits small cloud machines; 1 brings the first leader in about a second.
    performance: { raft_multiplier: 1 },
    // A stopped agent must come back as the same member with the same services.
    leave_on_terminate: false,
    log_level: 'warn',
    disable_update_check: true,
  }
  const fragments = [base, ...(config === undefined ? [] : [config])]
  // HCL takes JSON too. Given in turn, Consul merges them itself.
  return ['-c', launch, binary, ...fragments.flatMap((fragment) => ['-hcl', JSON.stringify(fragment)])]
}
