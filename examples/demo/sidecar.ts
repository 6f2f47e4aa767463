import { fileURLToPath } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientInspection } from '@fairlead/sdk'
import { eventually } from '#test-support/poll.js'
import type { Process, Processes } from './processes.js'

const program = fileURLToPath(new URL('dist/main.js', import.meta.resolve('@fairlead/sidecar/package.json')))

// How late the demo may see what the sidecar knows.
const POLL_MS = 50

export interface SidecarOptions {
  readonly service: string
  readonly consul: string
  readonly port: number
  readonly adminPort: number
  readonly say: (text: string) => void
  readonly signal: AbortSignal
}

/** The sidecar as a process, and what its admin address says. */
export class Sidecar implements AsyncDisposable {
  /** `host:port`, for clients. */
  readonly address: string
  readonly #admin: string
  readonly #service: string
  readonly #stop = new AbortController()
  #process: Process | undefined
  #following: Promise<void> | undefined
  #inspection: ClientInspection | undefined

  private constructor({ port, adminPort, service }: SidecarOptions) {
    this.address = `127.0.0.1:${port}`
    this.#admin = `http://127.0.0.1:${adminPort}`
    this.#service = service
  }

  static async start(processes: Processes, options: SidecarOptions): Promise<Sidecar> {
    const sidecar = new Sidecar(options)
    const args = [
      ...[program, '--listen', sidecar.address, '--admin', `127.0.0.1:${options.adminPort}`],
      ...['--consul', options.consul, '--service', options.service],
      ...['--balancer', 'weighted_round_robin', '--log-level', 'warn'],
    ]
    const onLine = (line: string): void => options.say(`sidecar: ${messageOf(line)}`)
    sidecar.#process = processes.start({ name: 'sidecar', file: process.execPath, args, onLine })
    await eventually(async () => (await fetch(`${sidecar.#admin}/readyz`)).ok, {
      what: 'the sidecar to be ready',
      signal: options.signal,
    })
    await sidecar.#look()
    sidecar.#following = sidecar.#follow()
    return sidecar
  }

  get inspection(): ClientInspection {
    if (this.#inspection === undefined) throw new Error('the sidecar has not said anything yet')
    return this.#inspection
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#following
    await this.#process?.end()
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      // A sidecar that has ended is noticed by its end; the last it said stands until then.
      await this.#look().catch(() => undefined)
      await delay(POLL_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  async #look(): Promise<void> {
    const response = await fetch(`${this.#admin}/endpoints`, { signal: this.#stop.signal })
    const { services } = (await response.json()) as { services: readonly ClientInspection[] }
    this.#inspection = services.find(({ service }) => service === this.#service) ?? this.#inspection
  }
}

/** Of a log line of the sidecar, which is JSON, what people want to read. */
function messageOf(line: string): string {
  try {
    const { msg, reason } = JSON.parse(line) as { msg: string; reason?: string }
    return reason === undefined ? msg : `${msg} (${reason})`
  } catch {
    return line
  }
}
