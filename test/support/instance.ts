import { built, Child } from './child.js'
import { seenBy } from './seen.js'

/** What an instance answers. */
export interface InstanceAnswer {
  /** `<name>.<run>`: run 1 before the first restart, 2 after it. */
  readonly instance: string
  readonly method: string
  readonly id: string
}

/** A real HTTP server in a process of its own, on a port of 127.0.0.1 that it keeps over a restart. */
export class Instance implements AsyncDisposable {
  readonly name: string
  readonly #delayMs: number
  readonly #runs: Child[] = []
  #port = 0

  private constructor(name: string, delayMs: number) {
    this.name = name
    this.#delayMs = delayMs
  }

  /** @param delayMs How long it takes for an answer: requests are in flight when it is killed. */
  static async start(name: string, delayMs: number): Promise<Instance> {
    const instance = new Instance(name, delayMs)
    await instance.start()
    return instance
  }

  get port(): number {
    return this.#port
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Starts it again after {@link kill}. */
  async start(): Promise<void> {
    const program = built('test/dist/support/instance-program.js')
    const run = `${this.name}.${this.#runs.length + 1}`
    const child = new Child(process.execPath, [program, run, String(this.#port), String(this.#delayMs)])
    this.#runs.push(child)
    this.#port = Number((await child.line(/^listening /)).split(' ')[1])
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#runs.at(-1)?.kill()
  }

  /** Each request that reached it in any of its runs, as `<method> <id>`. It has to have ended. */
  get seen(): readonly string[] {
    return seenBy(this.#runs)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
