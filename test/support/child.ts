import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { accessSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { eventually } from './poll.js'
import { Watchdog } from './watchdog.js'

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

const root = join(import.meta.dirname, '..', '..')

/** The path of a file that `npm run build` makes; throws in one line where it has not been run. */
export function built(path: string): string {
  const file = join(root, path)
  try {
    accessSync(file)
  } catch (error) {
    throw new Error(`${path} is not there: run npm run build first`, { cause: error })
  }
  return file
}

/** A process of this test. It dies with the test, however that ends. */
export class Child implements AsyncDisposable {
  /** Whole lines of standard output so far. */
  readonly lines: string[] = []
  readonly ended: Promise<Ending>
  readonly #process: ChildProcess
  readonly #watchdog = new Watchdog()
  #stderr = ''
  #ending: Ending | undefined

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    if (this.#process.pid !== undefined) this.#watchdog.arm(`kill -s KILL ${this.#process.pid}`)
    const { stdout, stderr } = this.#process
    if (stdout !== null) createInterface({ input: stdout }).on('line', (line) => this.lines.push(line))
    stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    // `close`, not `exit`: the last of its output is in by then.
    this.ended = once(this.#process, 'close').then(([code, signal]) => {
      // Once it is gone its id may be another's.
      this.#watchdog.disarm()
      return (this.#ending = { code: code as number | null, signal: signal as NodeJS.Signals | null })
    })
    // A command that is not there: a caller that awaits `ended` gets the error, and no caller has to.
    this.ended.catch(() => this.#watchdog.disarm())
  }

  get stdout(): string {
    return this.lines.join('\n')
  }

  get stderr(): string {
    return this.#stderr
  }

  get running(): boolean {
    return this.#ending === undefined
  }

  /** The first line of standard output that matches. */
  line(pattern: RegExp): Promise<string> {
    return eventually(
      () => {
        const found = this.lines.find((line) => pattern.test(line))
        if (found === undefined && !this.running) return 'ended'
        return found
      },
      { what: `a line like ${String(pattern)}`, deadlineMs: 20_000 },
    ).then((found) => {
      if (!pattern.test(found)) throw new Error(`the process ended without it:\n${this.stdout}${this.stderr}`)
      return found
    })
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<void> {
    if (this.running) this.signal('SIGKILL')
    await this.ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
