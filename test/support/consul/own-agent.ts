import { eventually } from '../poll.js'
import type { AgentAccess, TlsFiles } from './agent-access.js'
import { agentVersion } from './agent-api.js'
import type { AgentSettings } from './agent-command.js'
import { PortTaken, type AgentPorts } from './agent-ports.js'
import type { AgentRunner } from './agent-runner.js'
import type { Launcher } from './launcher.js'
import type { OwnKind, TestConsul } from './test-consul.js'

// The first leader takes two seconds here; a loaded CI machine gets thirty times that.
const startDeadlineMs = 60_000

/** What an agent is, and when it is there. */
export interface OwnAgentOptions extends Omit<AgentSettings, 'dataDir'> {
  readonly token?: string | undefined
  readonly tls?: TlsFiles | undefined
  /** Whether it can do what the caller wants of it. Asked again and again; an error counts as "not yet". */
  readonly ready: (agent: AgentAccess) => Promise<boolean>
  /** Ends the start; the promise rejects with its reason and nothing stays behind. */
  readonly signal?: AbortSignal | undefined
}

/** An agent of our own: a container or a process, which its watchdog ends with this program. */
export class OwnAgent implements TestConsul {
  readonly kind: OwnKind
  readonly address: string
  readonly token: string | undefined
  readonly tls: TlsFiles | undefined
  readonly #options: OwnAgentOptions
  readonly #runner: AgentRunner
  #version: string | undefined
  #closed: Promise<void> | undefined

  private constructor(kind: OwnKind, options: OwnAgentOptions, runner: AgentRunner) {
    const { host, ports, token, tls } = options
    this.kind = kind
    this.address = `${tls === undefined ? 'http' : 'https'}://${host}:${ports.http}`
    this.token = token
    this.tls = tls
    this.#options = options
    this.#runner = runner
  }

  /** Resolves when the agent is ready. Rejects, and leaves nothing, with {@link PortTaken} if others are to be tried. */
  static async start(launcher: Launcher, options: OwnAgentOptions): Promise<OwnAgent> {
    const agent = new OwnAgent(launcher.kind, options, await launcher.prepare(options))
    try {
      await agent.#start(options.signal)
      agent.#version = await eventually(() => agentVersion(agent), {
        what: `the version of ${agent.name} at ${agent.address}`,
        deadlineMs: startDeadlineMs,
        signal: options.signal,
      })
      return agent
    } catch (error) {
      await agent.close()
      throw error
    }
  }

  /** Its name among the nodes of the catalog. */
  get name(): string {
    return this.#options.name
  }

  /** Its node's address, 127.0.0.x. */
  get host(): string {
    return this.#options.host
  }

  get ports(): AgentPorts {
    return this.#options.ports
  }

  get version(): string {
    if (this.#version === undefined) throw new Error(`${this.name} has not been ready yet`)
    return this.#version
  }

  running(): Promise<boolean> {
    return this.#runner.running()
  }

  stop(): Promise<void> {
    return this.#runner.stop('SIGTERM')
  }

  kill(): Promise<void> {
    return this.#runner.stop('SIGKILL')
  }

  /** Starts a stopped agent on the same ports and data, and waits until it is as ready as after its first start. */
  async start(): Promise<void> {
    const deadline = AbortSignal.timeout(startDeadlineMs)
    for (;;) {
      try {
        await this.#start()
        return
      } catch (error) {
        // Its ports lie where the kernel takes outgoing connections from: a client that hammers the dead agent
        // can get the agent's own port, and connect to itself. That lasts for moments, so come again.
        if (!(error instanceof PortTaken) || deadline.aborted) throw error
      }
    }
  }

  /** Kills it, removes its data and starts it again: the same node on the same ports, which has forgotten everything. */
  async wipe(): Promise<void> {
    await this.kill()
    await this.#runner.clear()
    await this.start()
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#runner.remove())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #start(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    if (!(await this.running())) await this.#runner.start()
    const log = async (): Promise<string> => `\n${await this.#runner.logTail()}`
    try {
      if ((await this.#untilReady(signal)) === 'ready') return
    } catch (error) {
      signal?.throwIfAborted()
      throw new Error(`Consul does not come up: ${String(error)}${await log()}`, { cause: error })
    }
    const tail = await log()
    if (tail.includes('address already in use')) throw new PortTaken(`a port of Consul was taken:${tail}`)
    throw new Error(`Consul ended at its start:${tail}`)
  }

  /** Resolves also when there is nothing more to wait for. */
  #untilReady(signal?: AbortSignal): Promise<'ready' | 'ended'> {
    const probe = async (): Promise<'ready' | 'ended' | undefined> => {
      if (!(await this.running())) return 'ended'
      return (await this.#options.ready(this)) ? 'ready' : undefined
    }
    return eventually(probe, { what: `${this.name} at ${this.address}`, deadlineMs: startDeadlineMs, signal })
  }
}
