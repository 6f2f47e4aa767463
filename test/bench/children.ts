import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shellWord, Watchdog } from '../support/watchdog.js'
import { pinned } from './machine.js'

export interface StartOptions {
  /** Cores to run on; `undefined` = any. */
  readonly cores: string | undefined
  /** Flags for Node itself. */
  readonly nodeFlags?: readonly string[]
}

/** Every process the benchmark starts, and the folder of their files, so that none of it outlives the benchmark. */
export class Children implements AsyncDisposable {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'fairlead-bench-'))
  readonly #scripts: string
  readonly #live = new Set<ChildProcess>()
  // For the day this process is killed outright: our own workers notice, nginx would not.
  readonly #watchdog = new Watchdog()
  #disposed = false

  /** @param scripts The folder of what {@link worker} starts. */
  constructor(scripts: string = join(import.meta.dirname, 'subjects')) {
    this.#scripts = scripts
    this.#arm()
  }

  get disposed(): boolean {
    return this.#disposed
  }

  /** Starts a script that speaks through `serve`. */
  worker(script: string, argument: unknown, { cores, nodeFlags = [] }: StartOptions): Worker {
    const path = join(this.#scripts, script)
    const args = [...nodeFlags, '--no-warnings', path, JSON.stringify(argument)]
    return new Worker(script, this.#spawn(cores, process.execPath, args, ['ignore', 'ignore', 'pipe', 'ipc']))
  }

  /** Starts a program that knows nothing of us. */
  program(command: string, args: readonly string[], { cores }: StartOptions): Program {
    return new Program(command, this.#spawn(cores, command, args, ['ignore', 'pipe', 'pipe']))
  }

  /** Ends them all, and returns when they have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true
    const live = [...this.#live]
    for (const child of live) child.kill('SIGKILL')
    await Promise.all(live.map((child) => ended(child)))
    await rm(this.folder, { recursive: true, force: true })
    this.#watchdog.disarm()
  }

  #spawn(
    cores: string | undefined,
    command: string,
    args: readonly string[],
    stdio: StdioOptions,
  ): ChildProcess {
    // A measurement that goes on after Ctrl-C must not start anything that is left behind.
    if (this.#disposed) throw new Error('the benchmark is over')
    const [first, ...rest] = pinned(cores, command, args)
    const child = spawn(first, rest, { stdio })
    this.#live.add(child)
    child.once('exit', () => this.#forget(child))
    child.once('error', () => this.#forget(child))
    this.#arm()
    return child
  }

  #forget(child: ChildProcess): void {
    this.#live.delete(child)
    this.#arm()
  }

  #arm(): void {
    const pids = [...this.#live].map(({ pid }) => pid).filter((pid) => pid !== undefined)
    this.#watchdog.arm(`kill -9 ${pids.join(' ')} 2>/dev/null; rm -rf ${shellWord(this.folder)}`)
  }
}

/** A program, what it says on its way out, and how to end it. */
export class Program {
  readonly #name: string
  readonly #child: ChildProcess
  #said = ''
  #output = ''
  #fault: Error | undefined

  constructor(name: string, child: ChildProcess) {
    this.#name = name
    this.#child = child
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      // The last of it is what names the fault.
      this.#said = (this.#said + text).slice(-2000)
    })
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#output = (this.#output + text).slice(-20_000)
    })
    child.once('error', (error) => (this.#fault = error))
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw this.whyEnded()
    return pid
  }

  get running(): boolean {
    return this.#fault === undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** What it printed, once it has ended by itself. */
  async output(): Promise<string> {
    if (this.running) await once(this.#child, 'close')
    if (this.#child.exitCode !== 0) throw this.whyEnded()
    return this.#output
  }

  /** `SIGSTOP` and `SIGCONT`; to end it there is {@link stop}. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(signal)
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL')
    await ended(this.#child)
  }

  whyEnded(): Error {
    const { exitCode, signalCode } = this.#child
    const how = this.#fault?.message ?? `ended with ${exitCode ?? signalCode ?? 'no reason'}`
    const lines = (this.#said.trim() || this.#output.trim()).split('\n')
    // Node names itself last, below the error.
    const last = lines.findLast((line) => /^\w*Error: /.test(line)) ?? lines.at(-1) ?? ''
    return new Error(`${this.#name} ${how}${last === '' ? '' : `: ${last}`}`)
  }
}

/** One of our own scripts: answers one message at a time. */
export class Worker extends Program {
  readonly #child: ChildProcess

  constructor(name: string, child: ChildProcess) {
    super(name, child)
    this.#child = child
  }

  /** @throws Error of the worker, or the reason why it ended instead of answering. */
  ask<Reply>(message: unknown): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const child = this.#child
      const settle = (): void => {
        child.off('message', onMessage)
        child.off('close', onEnd)
        child.off('error', onEnd)
      }
      const onMessage = (answer: unknown): void => {
        settle()
        const { reply, fault } = answer as { readonly reply?: Reply; readonly fault?: string }
        if (fault === undefined) resolve(reply as Reply)
        else reject(new Error(fault))
      }
      const onEnd = (): void => {
        settle()
        reject(this.whyEnded())
      }
      child.on('message', onMessage).on('close', onEnd).on('error', onEnd)
      if (!this.running) onEnd()
      else child.send({ message }, (error) => error !== null && onEnd())
    })
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
    await once(child, 'exit')
}
