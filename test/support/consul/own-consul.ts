import { freePorts } from '../free-ports.js'
import type { AgentPorts } from './agent-command.js'
import { agentVersion, untilLeads } from './agent-api.js'
import type { AgentRunner } from './agent-runner.js'
import type { ConsulKind, TestConsul } from './test-consul.js'

// The first leader takes two seconds here; a loaded CI machine gets thirty times that.
const startDeadlineMs = 60_000
const portAttempts = 5

/** Makes a runner for an agent on these ports. */
export type MakeRunner = (ports: AgentPorts) => Promise<AgentRunner>

/** Starts an agent of our own, on ports that were free a moment before. */
export async function startOwnConsul(
  kind: ConsulKind,
  makeRunner: MakeRunner,
  signal?: AbortSignal,
): Promise<TestConsul> {
  for (let attempt = 1; ; attempt++) {
    const [http, server, serf] = (await freePorts(3)) as [number, number, number]
    const runner = await makeRunner({ http, server, serf })
    const address = `http://127.0.0.1:${http}`
    try {
      await startAgent(runner, address, signal)
      return new OwnConsul(kind, address, await agentVersion(address), runner)
    } catch (error) {
      await runner.remove()
      if (!(error instanceof PortTaken) || attempt === portAttempts) throw error
    }
  }
}

class OwnConsul implements TestConsul {
  readonly kind: ConsulKind
  readonly address: string
  readonly version: string
  readonly #runner: AgentRunner
  #closed: Promise<void> | undefined

  constructor(kind: ConsulKind, address: string, version: string, runner: AgentRunner) {
    this.kind = kind
    this.address = address
    this.version = version
    this.#runner = runner
  }

  stop(): Promise<void> {
    return this.#runner.stop('SIGTERM')
  }

  kill(): Promise<void> {
    return this.#runner.stop('SIGKILL')
  }

  async start(): Promise<void> {
    const deadline = AbortSignal.timeout(startDeadlineMs)
    for (;;) {
      try {
        await startAgent(this.#runner, this.address)
        return
      } catch (error) {
        // Its ports lie where the kernel takes outgoing connections from: a client that hammers the dead agent
        // can get the agent's own port, and connect to itself. That lasts for moments, so come again.
        if (!(error instanceof PortTaken) || deadline.aborted) throw error
      }
    }
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#runner.remove())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

class PortTaken extends Error {}

async function startAgent(runner: AgentRunner, address: string, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  if (!(await runner.running())) await runner.start()
  const ended = async (): Promise<boolean> => !(await runner.running())
  const log = async (): Promise<string> => `\n${await runner.logTail()}`
  try {
    if ((await untilLeads(address, startDeadlineMs, ended, signal)) === 'leads') return
  } catch (error) {
    signal?.throwIfAborted()
    throw new Error(`Consul does not come up: ${String(error)}${await log()}`, { cause: error })
  }
  const tail = await log()
  if (tail.includes('address already in use')) throw new PortTaken(`a port of Consul was taken:${tail}`)
  throw new Error(`Consul ended at its start:${tail}`)
}
