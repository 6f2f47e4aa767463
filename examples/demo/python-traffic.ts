import { fileURLToPath } from 'node:url'
import type { ClientInspection } from '@fairlead/sdk'
import type { Process, Processes } from './processes.js'
import type { Sidecar } from './sidecar.js'
import type { Tally, Traffic } from './traffic.js'

const program = fileURLToPath(new URL('../../python-client/client.py', import.meta.url))

/** What the client prints, a line at a time. */
interface Report {
  readonly ok: Readonly<Record<string, number>>
  readonly failed: number
  readonly lastError: string | null
}

/** A Python application that knows only the sidecar on localhost. */
export class PythonTraffic implements Traffic {
  readonly name = 'Python client'
  readonly short = 'Python'
  readonly way = 'through the sidecar, weighted_round_robin'
  // Exact over each cycle of six requests. What is off is at the two ends: the six in flight, of about 500 that the
  // smallest share has.
  readonly tolerance = 0.03
  readonly #sidecar: Sidecar
  #process: Process | undefined
  #report: Report = { ok: {}, failed: 0, lastError: null }

  private constructor(sidecar: Sidecar) {
    this.#sidecar = sidecar
  }

  static async start(processes: Processes, service: string, sidecar: Sidecar): Promise<PythonTraffic> {
    const traffic = new PythonTraffic(sidecar)
    traffic.#process = processes.start({
      name: 'Python client',
      file: 'python3',
      args: [program, '--sidecar', sidecar.address, '--service', service],
      onLine: (line) => (traffic.#report = JSON.parse(line) as Report),
    })
    await traffic.#process.ready()
    return traffic
  }

  tally(): Tally {
    return { ok: new Map(Object.entries(this.#report.ok)), failed: this.#report.failed }
  }

  inspection(): ClientInspection {
    return this.#sidecar.inspection
  }

  lastError(): string | undefined {
    return this.#report.lastError ?? undefined
  }

  /** Its last line, which comes before its end, has the final numbers. */
  async stop(): Promise<void> {
    await this.#process?.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}
