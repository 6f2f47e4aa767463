import type { AgentSettings } from './agent-command.js'
import type { AgentRunner } from './agent-runner.js'
import { consulOfDebian, consulOfGo, consulOnPath } from './binaries.js'
import { chooseConsul, type ConsulSource } from './choose.js'
import { ProcessRunner } from './process-runner.js'
import type { ConsulKind, OwnKind } from './test-consul.js'

/** What makes agents of our own on this machine. */
export interface Launcher {
  readonly kind: OwnKind
  readonly prepare: (settings: Omit<AgentSettings, 'dataDir'>) => Promise<AgentRunner>
}

/** Says what takes a while. */
export type Log = (line: string) => void

export type OwnSource = Extract<ConsulSource, { kind: OwnKind }>

/** Looks for a Consul on this machine and in its environment; rejects in one line if there is none. */
export function findConsul<K extends ConsulKind>(
  kinds: readonly K[],
  log: Log = () => undefined,
): Promise<Extract<ConsulSource, { kind: K }>> {
  return chooseConsul(kinds, process.env, {
    // Loaded late: it is big, and most callers get by without it.
    image: async (name) => (await import('./container-runner.js')).probeImage(name),
    path: consulOnPath,
    debian: () => consulOfDebian(log),
    built: consulOfGo,
  })
}

export async function launcherOf(source: OwnSource): Promise<Launcher> {
  switch (source.kind) {
    case 'container': {
      const { ContainerRunner } = await import('./container-runner.js')
      const { kind, image } = source
      return { kind, prepare: (settings) => ContainerRunner.create(image, settings) }
    }
    case 'process': {
      const { kind, binary } = source
      return { kind, prepare: (settings) => ProcessRunner.create(binary, settings) }
    }
  }
}

/** A {@link Launcher} of the first of `kinds` that this machine has. */
export async function findLauncher(
  kinds: readonly OwnKind[] = ['container', 'process'],
  log?: Log,
): Promise<Launcher> {
  return launcherOf(await findConsul(kinds, log))
}
