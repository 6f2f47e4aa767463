import { buildConnector, Pool, type Dispatcher } from 'undici'
import type { TlsFiles, TlsMaterial } from './tls-files.js'

// An agent stands beside its clients, or in the same datacenter: connecting takes milliseconds or will not do.
const CONNECT_TIMEOUT_MS = 5000

/** The connections to one agent, over TCP, TLS or a unix socket; new ones follow new certificates. */
export class Transport {
  readonly #origin: string
  readonly #socketPath: string | undefined
  readonly #tls: TlsFiles | undefined
  #material: TlsMaterial | undefined
  #pool: Pool | undefined

  /** @param address `http://host:port`, `https://host:port` or `unix:///path`. */
  constructor(address: string, tls: TlsFiles | undefined) {
    this.#socketPath = address.startsWith('unix://') ? address.slice('unix://'.length) : undefined
    this.#origin = this.#socketPath === undefined ? address : 'http://localhost'
    this.#tls = address.startsWith('https:') ? tls : undefined
  }

  /** @throws Error when the files for TLS cannot be read, and never could. */
  async dispatcher(): Promise<Dispatcher> {
    const material = await this.#tls?.current()
    if (this.#pool === undefined || material !== this.#material) {
      // What is asked over the old connections is answered, and then they end.
      void this.#pool?.close()
      this.#material = material
      this.#pool = new Pool(this.#origin, {
        connect: buildConnector({
          ...material,
          timeout: CONNECT_TIMEOUT_MS,
          ...(this.#socketPath === undefined ? {} : { socketPath: this.#socketPath }),
        }),
        // The caller keeps the time of each question, from its own clock.
        headersTimeout: 0,
        bodyTimeout: 0,
      })
    }
    return this.#pool
  }
}
