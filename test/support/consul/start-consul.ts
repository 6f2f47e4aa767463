import { consulOfDebian, consulOnPath } from './binaries.js'
import { allKinds, chooseConsul } from './choose.js'
import { connectConsul } from './external-consul.js'
import { startOwnConsul } from './own-consul.js'
import { ProcessRunner } from './process-runner.js'
import type { ConsulKind, TestConsul } from './test-consul.js'

export interface StartConsulOptions {
  /**
   * What the caller can work with, best first. Without `'external'` the agent is the caller's own, to stop and
   * start. @defaultValue external, container, process
   */
  readonly kinds?: readonly ConsulKind[]
  /** Consul's own configuration, over ours. An external agent has its own. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Ends the start; the promise rejects with its reason and nothing stays behind. */
  readonly signal?: AbortSignal
  /** Hears of steps that take a while. */
  readonly log?: (line: string) => void
}

/**
 * A real Consul, ready to serve: the agent of `CONSUL_HTTP_ADDR`, else a container, else a process from the PATH,
 * else one from Debian's package. `FAIRLEAD_CONSUL` and `kinds` narrow the choice, `FAIRLEAD_CONSUL_IMAGE` names
 * the image. Rejects in one line if there is none.
 */
export async function startConsul({
  kinds = allKinds,
  config,
  signal,
  log = () => undefined,
}: StartConsulOptions = {}): Promise<TestConsul> {
  const source = await chooseConsul(kinds, process.env, {
    // Loaded late: it is big, and most callers get by without it.
    image: async (name) => (await import('./container-runner.js')).probeImage(name),
    path: consulOnPath,
    debian: () => consulOfDebian(log),
  })
  switch (source.kind) {
    case 'external':
      return connectConsul(source.address, signal)
    case 'container': {
      const { ContainerRunner } = await import('./container-runner.js')
      const { image } = source
      return startOwnConsul('container', (ports) => ContainerRunner.create(image, { ports, config }), signal)
    }
    case 'process': {
      const { binary } = source
      return startOwnConsul('process', (ports) => ProcessRunner.create(binary, { ports, config }), signal)
    }
  }
}
