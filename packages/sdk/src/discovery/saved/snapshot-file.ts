import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Snapshot } from '../resolver.js'
import { decodeSaved, encodeSaved } from './snapshot-format.js'

// Writing takes milliseconds; what is older has been left behind by a process that was killed.
const PART_AGE_MS = 60_000

/** One saved set of one service from one source. */
export class SnapshotFile {
  readonly path: string
  readonly #directory: string
  readonly #source: string
  readonly #service: string
  #swept = false

  /** @param source Who was asked, and what for: whatever else tells sets of a service apart. */
  constructor(directory: string, source: string, service: string) {
    // A service's name may not be one for a file, and two sources may know the same service.
    const name = createHash('sha256').update(`${source}\n${service}`).digest('hex').slice(0, 16)
    this.#directory = directory
    this.#source = source
    this.#service = service
    this.path = join(directory, `${service.replace(/[^\w.-]/g, '_').slice(0, 64)}-${name}.json`)
  }

  /**
   * Writes it whole or not at all: a reader sees the one before or this one. Mode 0600, as it shows the network.
   *
   * @param savedAt Unix milliseconds.
   */
  async write(snapshot: Snapshot, savedAt: number): Promise<void> {
    const [source, service] = [this.#source, this.#service]
    const bytes = encodeSaved({ source, service, snapshot: { ...snapshot, savedAt } })
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    if (!this.#swept) await this.#sweep(savedAt)
    this.#swept = true
    const part = `${this.path}.${randomUUID()}.part`
    try {
      const file = await open(part, 'wx', 0o600)
      try {
        await file.writeFile(bytes)
        // Before the rename: a crash of the machine must not leave the new name with nothing in it.
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(part, this.path)
    } catch (error) {
      await rm(part, { force: true })
      throw error
    }
  }

  /** @throws Error with the reason why it cannot be used: not there, of another version or source, damaged. */
  async read(): Promise<Snapshot & { readonly savedAt: number }> {
    const { source, service, snapshot } = decodeSaved(await readFile(this.path))
    if (source !== this.#source || service !== this.#service)
      throw new Error('it was saved by a client of another source or service')
    return snapshot
  }

  /** Takes away what killed writers have left in the folder. @param now Unix milliseconds. */
  async #sweep(now: number): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      if (!/-[\da-f]{16}\.json\.[\da-f-]{36}\.part$/.test(name)) continue
      const path = join(this.#directory, name)
      // Gone by now, as its writer was alive or another one sweeps as well: that is as good.
      const found = await stat(path).catch(() => undefined)
      if (found !== undefined && now - found.mtimeMs > PART_AGE_MS) await rm(path, { force: true })
    }
  }
}
