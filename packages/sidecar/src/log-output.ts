import { write } from 'node:fs'
import type { Clock } from '@fairlead/sdk'

/** Lines that wait for a reader, in bytes: what a burst of errors may take, and not more than that. */
const MOST_BYTES = 1024 * 1024

/** A full pipe that does not block says "again"; so often is it tried. */
const RETRY_MS = 50

/**
 * Where log lines go, one write at a time and none of them waited for. pino's own output writes at once: where the
 * reader of a pipe stands still, such a write blocks the process, requests and signals included.
 */
export class LogOutput {
  readonly #fd: number
  readonly #clock: Clock
  #lines: string[] = []
  #bytes = 0
  #writing = false
  #idle: (() => void) | undefined

  constructor(fd: number, clock: Clock) {
    this.#fd = fd
    this.#clock = clock
  }

  /** Is there a line that has not been written? */
  get writing(): boolean {
    return this.#writing
  }

  /** Takes a line, or drops it where too many wait already. */
  write(line: string): void {
    if (this.#bytes + line.length > MOST_BYTES) return
    this.#lines.push(line)
    this.#bytes += line.length
    if (!this.#writing) this.#next()
  }

  /** Waits until all is written, for so long at most. Resolves to whether it is. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (!this.#writing) return true
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(() => resolve(false), timeoutMs)
      this.#idle = () => {
        this.#clock.clearTimer(timer)
        resolve(true)
      }
    })
  }

  #next(): void {
    const bytes = Buffer.from(this.#lines.join(''))
    this.#lines = []
    this.#writing = bytes.length > 0
    if (this.#writing) this.#put(bytes)
    else this.#idle?.()
  }

  #put(bytes: Buffer): void {
    write(this.#fd, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') {
        this.#clock.setTimer(() => this.#put(bytes), RETRY_MS)
      } else if (error === null && written < bytes.length) {
        this.#put(bytes.subarray(written))
      } else {
        // Its reader is gone (EPIPE), or it is written.
        this.#bytes = this.#lines.reduce((sum, line) => sum + line.length, 0)
        this.#next()
      }
    })
  }
}
