import { write } from 'node:fs'
import type { Clock, Timer } from '@fairlead/sdk'

/** The limit of buffered lines, in characters: enough for a burst of errors. */
const MAX_LENGTH = 1024 * 1024

/** The interval of retries on a full non-blocking pipe (EAGAIN). */
const RETRY_MS = 50

/** The pause after the reader has closed. It may be replaced, as that of a named pipe; each attempt is a system call. */
const CLOSED_PAUSE_MS = 1000

/**
 * Writes log lines asynchronously, one write at a time. pino's own destination writes synchronously: when the reader of a
 * pipe stalls, such a write blocks the process, requests and signals included. Lines without room, or without a reader,
 * are dropped and counted.
 */
export class LogOutput {
  /** Called with the number of dropped lines, once there is room to log it. */
  onDropped: (lines: number) => void = () => undefined
  readonly #fd: number
  readonly #clock: Clock
  #lines: string[] = []
  #length = 0
  #dropped = 0
  #writing = false
  /** A system call is pending. */
  #calling = false
  #stopped = false
  /** Until then lines are dropped, as there is no reader. */
  #closedUntil = -Infinity
  #retry: Timer | undefined
  /** Called when the pending system call returns. */
  #returned: (() => void) | undefined
  #idle: (() => void) | undefined

  constructor(fd: number, clock: Clock) {
    this.#fd = fd
    this.#clock = clock
  }

  /** Is there a line that has not been written? */
  get writing(): boolean {
    return this.#writing
  }

  /** Buffers a line, or drops it without room or a reader. */
  write(line: string): void {
    if (this.#stopped || this.#length + line.length > MAX_LENGTH || this.#clock.now() < this.#closedUntil) {
      this.#dropped++
      return
    }
    this.#lines.push(line)
    this.#length += line.length
    if (!this.#writing) this.#next()
  }

  /** Waits until all is written, up to `timeoutMs`. Resolves to whether it is. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (!this.#writing) return true
    return this.#within(timeoutMs, (done) => (this.#idle = done))
  }

  /**
   * Writes nothing more. Resolves to whether the process can exit, which waits for all pending system calls: one to a
   * stopped terminal (Ctrl-S) does not return, as terminals block.
   *
   * @param timeoutMs How long a pending call may take to return.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopped = true
    if (this.#retry !== undefined) this.#clock.clearTimer(this.#retry)
    if (!this.#calling) return true
    return this.#within(timeoutMs, (done) => (this.#returned = done))
  }

  #within(timeoutMs: number, whenDone: (done: () => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(() => resolve(false), timeoutMs)
      whenDone(() => {
        this.#clock.clearTimer(timer)
        resolve(true)
      })
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
    this.#calling = true
    write(this.#fd, bytes, (error, written) => {
      this.#calling = false
      this.#returned?.()
      if (this.#stopped) return
      if (error?.code === 'EAGAIN') {
        this.#retry = this.#clock.setTimer(() => this.#put(bytes), RETRY_MS)
      } else if (error !== null) {
        this.#lost(bytes)
      } else if (written < bytes.length) {
        this.#put(bytes.subarray(written))
      } else {
        this.#length = this.#lines.reduce((sum, line) => sum + line.length, 0)
        this.#reportDropped()
        this.#next()
      }
    })
  }

  /** The reader has closed (EPIPE), the disk is full, or the like. */
  #lost(bytes: Buffer): void {
    this.#dropped += linesIn(bytes) + this.#lines.length
    this.#lines = []
    this.#length = 0
    this.#closedUntil = this.#clock.now() + CLOSED_PAUSE_MS
    this.#next()
  }

  #reportDropped(): void {
    // Only with room to spare, so that the report is not dropped itself.
    if (this.#dropped === 0 || this.#length > MAX_LENGTH / 2) return
    const lines = this.#dropped
    this.#dropped = 0
    this.onDropped(lines)
  }
}

function linesIn(bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf('\n'); at >= 0; at = bytes.indexOf('\n', at + 1)) lines++
  return lines
}
