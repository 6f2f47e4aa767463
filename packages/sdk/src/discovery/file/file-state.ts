import { open, stat } from 'node:fs/promises'
import { asError, reasonOf } from '../../errors.js'

/** What a file had in it, or why that cannot be known. */
export type FileState = { readonly text: string } | { readonly fault: string }

// 10,000 instances with all their fields come to about 2 MB; more than this is not a list of instances.
const LARGEST_BYTES = 64 * 1024 * 1024

/**
 * Reads a file each time it is polled. It is found by its path every time, so that a file that was renamed into
 * its place, or a link that was swapped, counts as a change; and read only when something has changed.
 */
export class FilePoller {
  readonly #path: string
  #last: FileState = { fault: '' }
  /** Which file it was, how long and how old; undefined: has to be read the next time. */
  #mark: string | undefined
  /** How many times in a row its state has been the same. */
  #count = 0

  constructor(path: string) {
    this.#path = path
  }

  /** Its state, and how many times in a row that has been the same, 1 or more. */
  async poll(): Promise<{ readonly state: FileState; readonly count: number }> {
    const state = await this.#read().catch((thrown: unknown) => ({ fault: this.#explain(asError(thrown)) }))
    this.#count = sameState(state, this.#last) ? this.#count + 1 : 1
    // Time stamps are as coarse as the kernel's tick (10 ms), and a second write of the same length within it leaves no
    // trace: so what is new is read once more.
    if (this.#count === 1 || 'fault' in state) this.#mark = undefined
    this.#last = state
    return { state, count: this.#count }
  }

  async #read(): Promise<FileState> {
    const found = await stat(this.#path, { bigint: true })
    // Opening a pipe would block a thread until something is written to it.
    if (!found.isFile()) return { fault: `${this.#path} is not a regular file` }
    if (found.size > LARGEST_BYTES)
      return { fault: `${this.#path} has ${found.size} bytes; at most ${LARGEST_BYTES} are read` }
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
        return `${this.#path} does not exist; polling until it does`
      case 'EACCES':
        return `${this.#path} may not be read by this process (EACCES); change its mode or its owner`
      case 'ERR_ENCODING_INVALID_ENCODED_DATA':
        return `${this.#path} is not text in UTF-8`
      default:
        return `${this.#path} cannot be read: ${reasonOf(error)}`
    }
  }
}

function sameState(a: FileState, b: FileState): boolean {
  return 'text' in a ? 'text' in b && a.text === b.text : 'fault' in b && a.fault === b.fault
}
