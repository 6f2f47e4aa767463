import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, open, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shellWord, Watchdog } from '../watchdog.js'
import { agentCommand, type AgentSettings } from './agent-command.js'
import type { AgentRunner } from './agent-runner.js'

// A server leaves in about half a second; see `leave_on_terminate`.
const stopDeadlineMs = 10_000

/** The agent as a process of this machine, with its data and its log in a temporary folder. */
export class ProcessRunner implements AgentRunner {
  readonly #folder: string
  readonly #command: readonly string[]
  readonly #watchdog = new Watchdog()
  #child: ChildProcess | undefined

  private constructor(folder: string, command: readonly string[]) {
    this.#folder = folder
    this.#command = command
    this.#watchdog.arm(this.#removal)
  }

  static async create(binary: string, settings: Omit<AgentSettings, 'dataDir'>): Promise<ProcessRunner> {
    const folder = await mkdtemp(join(tmpdir(), 'fairlead-consul-'))
    return new ProcessRunner(folder, agentCommand(binary, { ...settings, dataDir: dataOf(folder) }))
  }

  async start(): Promise<void> {
    const log = await open(this.#log, 'a')
    try {
      // Detached: a group of its own, so that Ctrl-C is the host's to handle and the whole group can be killed.
      const child = spawn('sh', this.#command, { stdio: ['ignore', log.fd, log.fd], detached: true })
      await once(child, 'spawn')
      this.#child = child
      // A host that is done may end; the watchdog sees to the agent.
      child.unref()
      this.#watchdog.arm(`kill -s KILL -- -${String(child.pid)}; ${this.#removal}`)
      // Once it is gone its id may be another's.
      child.once('exit', () => this.#watchdog.arm(this.#removal))
    } finally {
      await log.close()
    }
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child
    if (child === undefined || ended(child)) return
    child.ref()
    const gone = once(child, 'exit')
    const late = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
    child.kill(signal)
    await gone
    clearTimeout(late)
  }

  running(): Promise<boolean> {
    return Promise.resolve(this.#child !== undefined && !ended(this.#child))
  }

  async logTail(): Promise<string> {
    const lines = (await readFile(this.#log, 'utf8')).trimEnd().split('\n')
    return lines.slice(-10).join('\n')
  }

  async clear(): Promise<void> {
    await rm(dataOf(this.#folder), { recursive: true })
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL')
    await rm(this.#folder, { recursive: true, force: true })
    this.#watchdog.disarm()
  }

  get #log(): string {
    return join(this.#folder, 'agent.log')
  }

  // Twice, for a write of the dying agent that comes between the listing and the removal of its folder.
  get #removal(): string {
    const remove = `rm -rf -- ${shellWord(this.#folder)}`
    return `${remove} || { sleep 1; ${remove}; }`
  }
}

function dataOf(folder: string): string {
  return join(folder, 'data')
}

function ended(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}
