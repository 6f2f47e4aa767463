import type { ConsulConfig } from './agent-command.js'
import type { Log } from './launcher.js'
import type { OwnAgent } from './own-agent.js'
import type { OwnKind } from './test-consul.js'

/** Consul's own configuration, the same for every node or made for each by its name. */
export type NodeConfig = ConsulConfig | ((node: string) => ConsulConfig)

/** What the caller says of agents that belong together. */
export interface GroupOptions {
  /** Over ours. */
  readonly config?: NodeConfig
  /** What the caller can work with, best first. @defaultValue container, process */
  readonly kinds?: readonly OwnKind[]
  /** Ends the start; the promise rejects with its reason and nothing stays behind. */
  readonly signal?: AbortSignal
  /** Hears of steps that take a while. */
  readonly log?: Log
}

/** Whom to join; who is not there yet is asked again after a moment, not after Consul's half minute. */
export function joinConfig(network: 'lan' | 'wan', addresses: readonly string[]): ConsulConfig {
  return network === 'lan'
    ? { retry_join: addresses, retry_interval: '200ms' }
    : { retry_join_wan: addresses, retry_interval_wan: '200ms' }
}

export function configOf(config: NodeConfig | undefined, node: string): ConsulConfig {
  return typeof config === 'function' ? config(node) : (config ?? {})
}

/** All agents, or none: once one fails the starts of the others end, and its error is thrown. */
export async function startTogether(
  starts: readonly ((signal: AbortSignal) => Promise<OwnAgent>)[],
  signal?: AbortSignal,
): Promise<OwnAgent[]> {
  const failed = new AbortController()
  const over = AbortSignal.any(signal === undefined ? [failed.signal] : [failed.signal, signal])
  const starting = starts.map((start) =>
    start(over).catch((error: unknown) => {
      failed.abort(error)
      return undefined
    }),
  )
  const agents = (await Promise.all(starting)).filter((agent) => agent !== undefined)
  if (!failed.signal.aborted) return agents
  await closeAll(agents)
  throw failed.signal.reason
}

export async function closeAll(agents: readonly OwnAgent[]): Promise<void> {
  await Promise.all(agents.map((agent) => agent.close()))
}
