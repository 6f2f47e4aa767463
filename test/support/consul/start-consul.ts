import { allKinds } from './choose.js'
import type { ConsulConfig } from './agent-command.js'
import { connectConsul } from './external-consul.js'
import { findConsul, launcherOf, type Log } from './launcher.js'
import { startSoleServer } from './own-consul.js'
import type { ConsulKind, TestConsul } from './test-consul.js'

export interface StartConsulOptions {
  /**
   * What the caller can work with, best first. Without `'external'` the agent is the caller's own, to stop and
   * start. @defaultValue external, container, process
   */
  readonly kinds?: readonly ConsulKind[]
  /** Consul's own configuration, over ours. An external agent has its own. */
  readonly config?: ConsulConfig
  /** Ends the start; the promise rejects with its reason and nothing stays behind. */
  readonly signal?: AbortSignal
  /** Hears of steps that take a while. */
  readonly log?: Log
}

/**
 * A real Consul, ready to serve: the agent of `CONSUL_HTTP_ADDR`, else a container, else a process from the PATH,
 * else one from Debian's package. `FAIRLEAD_CONSUL` and `kinds` narrow the choice, `FAIRLEAD_CONSUL_IMAGE` names
 * the image, and `FAIRLEAD_CONSUL_VERSION` the version of a process (1.8.7 of Debian, or 1.13.9 where it was built). Rejects in one line if there is none.
 */
export async function startConsul({
  kinds = allKinds,
  config,
  signal,
  log,
}: StartConsulOptions = {}): Promise<TestConsul> {
  const source = await findConsul(kinds, log)
  return source.kind === 'external'
    ? connectConsul(source.address, signal)
    : startSoleServer(await launcherOf(source), { config, signal })
}
