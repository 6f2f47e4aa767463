import { open, stat } from 'node:fs/promises'
import { asError, reasonOf } from '../../errors.js'

/** What a file had in it, or why that cannot be known. */
export type Sighting = { readonly text: string } | { readonly fault: string }

// 10,000 instances with all their fields come to about 2 MB; more than this is no list of instances.
const LARGEST_BYTES = 64 * 1024 * 1024

/**
 * What a file shows each time it is looked at. It is found by its path every time, so that a file that was renamed into
 * its place, or a link that was swapped, counts as a change; and read only when something has changed.
 */
export class FileSightings {
  readonly #path: string
  #last: Sighting = { fault: '' }
  /** Which file it was, how long and how old; undefined: has to be read the next time. */
  #mark: string | undefined
  /** How many times in a row it has shown the same. */
  #count = 0

  constructor(path: string) {
    this.#path = path
  }

  /** The sighting, and how many times in a row it has been the same, 1 or more. */
  async look(): Promise<{ readonly sighting: Sighting; readonly count: number }> {
    const sighting = await this.#see().catch((thrown: unknown) => ({ fault: this.#explain(asError(thrown)) }))
    this.#count = sameSighting(sighting, this.#last) ? this.#count + 1 : 1
    // Time stamps are as coarse as the kernel's tick (10 ms), and a second write of the same length within it leaves no
    // trace: so what is new is read once more.
    if (this.#count === 1 || 'fault' in sighting) this.#mark = undefined
    this.#last = sighting
    return { sighting, count: this.#count }
  }

  async #see(): Promise<Sighting> {
    const found = await stat(this.#path, { bigint: true })
    // Opening a pipe would block a thread until somebody writes to it.
    if (!found.isFile()) return { fault: `${this.#path} is no file` }
    if (found.size > LARGEST_BYTES)
      return { fault: `${this.#path} has ${found.size} bytes; ${LARGEST_BYTES} are allowed` }
    const mark = `${found.dev}:${found.ino}:${found.size}:${found.mtimeNs}`
    if (mark === this.#mark) return this.#last
    const file = await open(this.#path)
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(await file.readFile())
      this.#mark = mark
      return { text }
    } finally {
      await file.close()
    }
  }

  #explain(error: Error): string {
    switch ((error as { code?: unknown }).code) {
      case 'ENOENT':
        return `${this.#path} does not exist; it is looked for until it does`
      case 'EACCES':
        return `${this.#path} may not be read by this process (EACCES); change its mode or its owner`
      case 'ERR_ENCODING_INVALID_ENCODED_DATA':
        return `${this.#path} is no text in UTF-8`
      default:
        return `${this.#path} cannot be read: ${reasonOf(error)}`
    }
  }
}

function sameSighting(a: Sighting, b: Sighting): boolean {
  return 'text' in a ? 'text' in b && a.text === b.text : 'fault' in b && a.fault === b.fault
}
