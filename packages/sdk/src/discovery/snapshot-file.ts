import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as v from 'valibot'
import type { Instance, Snapshot } from './resolver.js'

// Another form gets another number, and the one before is then as good as none.
const VERSION = 1

const instanceSchema = v.object({
  key: v.string(),
  origin: v.pipe(v.string(), v.url()),
  addresses: v.optional(v.array(v.string())),
  weight: v.number(),
  priority: v.number(),
  tags: v.array(v.string()),
  meta: v.record(v.string(), v.string()),
  locality: v.object({ datacenter: v.optional(v.string()), zone: v.optional(v.string()) }),
})

const envelopeSchema = v.object({
  version: v.literal(VERSION),
  /** SHA-256 of `content`, in hex. */
  checksum: v.string(),
  /** JSON within JSON: a checksum is of bytes, and an object has many spellings. */
  content: v.string(),
})

const contentSchema = v.object({
  source: v.string(),
  service: v.string(),
  savedAt: v.number(),
  instances: v.array(instanceSchema),
})

/** One saved set of one service from one source. */
export class SnapshotFile {
  readonly path: string
  readonly #directory: string
  readonly #source: string
  readonly #service: string

  /** @param source What else tells sets apart: who was asked, and what for. */
  constructor(directory: string, source: string, service: string) {
    // A service's name is none for a file, and two sources may know the same service.
    const name = createHash('sha256').update(`${source}\n${service}`).digest('hex').slice(0, 16)
    this.#directory = directory
    this.#source = source
    this.#service = service
    this.path = join(directory, `${service.replace(/[^\w.-]/g, '_').slice(0, 64)}-${name}.json`)
  }

  /** Writes it whole or not at all: a reader sees the one before or this one. Mode 0600, as it shows the network. */
  async write(instances: readonly Instance[], savedAt: number): Promise<void> {
    const content = JSON.stringify({ source: this.#source, service: this.#service, savedAt, instances })
    const text = JSON.stringify({ version: VERSION, checksum: checksumOf(content), content })
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const part = `${this.path}.${randomUUID()}.part`
    try {
      const file = await open(part, 'wx', 0o600)
      try {
        await file.writeFile(text)
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

  /**
   * @throws Error with the reason why it is of no use: not there, of another version or source, damaged.
   */
  async read(): Promise<Snapshot & { readonly savedAt: number }> {
    const envelope = v.parse(envelopeSchema, JSON.parse(await readFile(this.path, 'utf8')))
    if (checksumOf(envelope.content) !== envelope.checksum) throw new Error('its checksum is wrong')
    const { source, service, savedAt, instances } = v.parse(contentSchema, JSON.parse(envelope.content))
    if (source !== this.#source || service !== this.#service) throw new Error('it is of another source')
    return {
      kind: 'snapshot',
      instances: instances.map((instance) => Object.freeze(instance)),
      excluded: [],
      savedAt,
    }
  }
}

function checksumOf(content: string): string {
  return createHash('sha256').update(content).digest('hex')
}
