import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { Watchdog } from '#test-support/watchdog.js'

export interface Command {
  /** For people. */
  readonly name: string
  readonly file: string
  readonly args: readonly string[]
  /** Hears each line of its standard output. */
  readonly onLine?: (line: string) => void
}

// A process that was asked to end has had the time it needs: its work takes 20 ms.
const GRACE_MS = 1000

/** The processes of the demo. None outlives it, however it ends. */
export class Processes implements AsyncDisposable {
  readonly #running = new Set<Process>()
  // For the one end that leaves no time to clean up: SIGKILL.
  readonly #watchdog = new Watchdog()
  readonly #onCrash: (error: Error) => void

  /** @param onCrash Called when a process ends that was not asked to. */
  constructor(onCrash: (error: Error) => void) {
    this.#onCrash = onCrash
  }

  start(command: Command): Process {
    const started = new Process(command)
    this.#running.add(started)
    this.#arm()
    void started.gone.then(() => {
      this.#running.delete(started)
      // Once it is gone, its id may be another's.
      this.#arm()
      if (!started.dismissed) this.#onCrash(started.obituary())
    })
    return started
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((process) => process.end()))
    this.#watchdog.disarm()
  }

  #arm(): void {
    const groups = [...this.#running].flatMap(({ pid }) => (pid === undefined ? [] : [`-${pid}`]))
    this.#watchdog.arm(groups.length === 0 ? ':' : `kill -s KILL -- ${groups.join(' ')}`)
  }
}

/** One process, in a group of its own: Ctrl-C is the demo's to handle. */
export class Process {
  readonly name: string
  readonly gone: Promise<unknown>
  dismissed = false
  readonly #child: ChildProcess
  #lastWords = ''
  #failure: Error | undefined
  readonly #firstLine: Promise<unknown>

  constructor({ name, file, args, onLine }: Command) {
    this.name = name
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    this.#child = child
    // `close` comes after the last output, and also when there was nothing to start.
    this.gone = new Promise((resolve) => child.once('close', resolve))
    child.on('error', (error) => (this.#failure = error))
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-2000)
    })
    const lines = createInterface(child.stdout)
    this.#firstLine = once(lines, 'line')
    // When the process ends without a word it loses the race, and its rejection is not awaited.
    this.#firstLine.catch(() => undefined)
    if (onLine !== undefined) lines.on('line', onLine)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get ended(): boolean {
    const { pid, exitCode, signalCode } = this.#child
    return pid === undefined || exitCode !== null || signalCode !== null
  }

  /** Resolves with its first line of output. */
  async ready(): Promise<void> {
    await Promise.race([this.#firstLine, this.gone])
    if (this.ended) throw this.obituary()
  }

  /** Sends a signal, and resolves when the process is gone. */
  async kill(signal: NodeJS.Signals): Promise<void> {
    this.dismissed = true
    if (this.#child.pid !== undefined && !this.ended) process.kill(-this.#child.pid, signal)
    await this.gone
  }

  /** SIGTERM, and SIGKILL if that is not enough. */
  async end(): Promise<void> {
    const late = setTimeout(() => void this.kill('SIGKILL'), GRACE_MS)
    await this.kill('SIGTERM')
    clearTimeout(late)
  }

  /** What it died of, with the last it said. */
  obituary(): Error {
    const { exitCode, signalCode } = this.#child
    const end = this.#failure?.message ?? `it ended with ${signalCode ?? `code ${exitCode ?? '?'}`}`
    return new Error([`${this.name}: ${end}`, this.#lastWords.trim()].filter(Boolean).join('\n'))
  }
}
