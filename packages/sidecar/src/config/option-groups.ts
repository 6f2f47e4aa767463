import type { Command } from 'commander'

/** The options by what they are about, for `--help` and docs/sidecar-configuration.md. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  Listening: ['--listen', '--admin', '--allowed-host'],
  Consul: ['--consul', '--datacenter', '--failover', '--snapshot-dir'],
  Services: ['--service', '--ready-min', '--idle-timeout', '--max-services'],
  Balancing: [
    '--balancer',
    '--hash-on',
    '--panic-threshold',
    '--zone',
    '--subset',
    '--subset-client',
    '--slow-start',
  ],
  Sessions: ['--sticky-cookie', '--sticky-header', '--sticky-secret-file'],
  Limits: [
    '--timeout',
    '--body-timeout',
    '--application-timeout',
    '--drain-timeout',
    '--max-response-header-bytes',
  ],
  Admission: ['--max-concurrent', '--queue-max', '--queue-timeout', '--priority-header'],
  Log: ['--log-level'],
}

/** Puts each option of the command into its group. */
export function groupOptions(command: Command): Command {
  for (const [heading, flags] of Object.entries(GROUPS)) {
    for (const flag of flags) command.options.find(({ long }) => long === flag)?.helpGroup(`${heading}:`)
  }
  return command
}
