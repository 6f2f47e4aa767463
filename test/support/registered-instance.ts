import type { DrainReport } from '@fairlead/sdk'
import { built, Child, type Ending } from './child.js'
import { seenBy } from './seen.js'

/** A real HTTP server in a process of its own that registers itself, and leaves by itself at SIGTERM. */
export class RegisteredInstance implements AsyncDisposable {
  readonly name: string
  readonly #service: string
  readonly #agent: string
  readonly #options: object
  readonly #runs: Child[] = []
  #port = 0

  /** @param options What `register` gets besides name, port and address. */
  constructor(name: string, service: string, agent: string, options: object = {}) {
    this.name = name
    this.#service = service
    this.#agent = agent
    this.#options = options
  }

  get port(): number {
    return this.#port
  }

  /** Its last run. */
  get child(): Child {
    const child = this.#runs.at(-1)
    if (child === undefined) throw new Error(`${this.name} has not been started`)
    return child
  }

  get running(): boolean {
    return this.#runs.at(-1)?.running === true
  }

  /** Starts it, for the first time or again; resolves when the agent has it. */
  async start(port: number, delayMs: number): Promise<void> {
    const program = built('test/dist/support/registered-program.js')
    const run = `${this.name}.${this.#runs.length + 1}`
    const args = [
      run,
      String(port),
      String(delayMs),
      this.#service,
      this.#agent,
      JSON.stringify(this.#options),
    ]
    const child = new Child(process.execPath, [program, ...args])
    this.#runs.push(child)
    this.#port = Number((await child.line(/^listening /)).split(' ')[1])
    await child.line(/^registered /)
  }

  /** SIGTERM; resolves when it has ended by itself. */
  async terminate(): Promise<{ readonly ending: Ending; readonly drain: DrainReport }> {
    const { child } = this
    child.signal('SIGTERM')
    const ending = await child.ended
    const line = await child.line(/^drained /)
    return { ending, drain: JSON.parse(line.slice('drained '.length)) as DrainReport }
  }

  /** Each request that reached it in any of its runs, as `<method> <id>`. It has to have ended. */
  get seen(): readonly string[] {
    return seenBy(this.#runs)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#runs.at(-1)?.kill()
  }
}
