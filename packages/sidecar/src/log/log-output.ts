import { write } from 'node:fs'
import type { Clock, Timer } from '@fairlead/sdk'

/** Lines that wait for a reader, in characters: what a burst of errors may take, and not more than that. */
const MOST_LENGTH = 1024 * 1024

/** A full pipe that does not block says "again"; so often is it tried. */
const RETRY_MS = 50

/** A reader that has gone may have a successor, as that of a named pipe does; a try costs a call to the system. */
const GONE_MS = 1000

/**
 * Where log lines go, one write at a time and none of them waited for. pino's own output writes at once: where the
 * reader of a pipe stands still, such a write blocks the process, requests and signals included. What finds no room, or
 * no reader, is dropped and counted.
 */
export class LogOutput {
  /** Told how many lines have been dropped, once there is room to say so. */
  onDropped: (lines: number) => void = () => undefined
  readonly #fd: number
  readonly #clock: Clock
  #lines: string[] = []
  #length = 0
  #dropped = 0
  #writing = false
  /** The system has been asked to write, and has not answered. */
  #calling = false
  #stopped = false
  /** Until then nothing is tried. */
  #goneUntil = -Infinity
  #retry: Timer | undefined
  /** Whoever waits for the next answer of the system. */
  #answered: (() => void) | undefined
  #idle: (() => void) | undefined

  constructor(fd: number, clock: Clock) {
    this.#fd = fd
    this.#clock = clock
  }

  /** Is there a line that has not been written? */
  get writing(): boolean {
    return this.#writing
  }

  /** Takes a line, or drops it where too many wait already or nobody reads. */
  write(line: string): void {
    if (this.#stopped || this.#length + line.length > MOST_LENGTH || this.#clock.now() < this.#goneUntil) {
      this.#dropped++
      return
    }
    this.#lines.push(line)
    this.#length += line.length
    if (!this.#writing) this.#next()
  }

  /** Waits until all is written, for so long at most. Resolves to whether it is. */
  async flush(timeoutMs: number): Promise<boolean> {
    if (!this.#writing) return true
    return this.#within(timeoutMs, (done) => (this.#idle = done))
  }

  /**
   * Writes nothing more. Resolves to whether the process can exit, which waits for all calls to the system to return:
   * one to a terminal that is stopped (Ctrl-S) does not, as terminals block.
   *
   * @param timeoutMs What such a call has to return.
   */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopped = true
    if (this.#retry !== undefined) this.#clock.clearTimer(this.#retry)
    if (!this.#calling) return true
    return this.#within(timeoutMs, (done) => (this.#answered = done))
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
      this.#answered?.()
      if (this.#stopped) return
      if (error?.code === 'EAGAIN') {
        this.#retry = this.#clock.setTimer(() => this.#put(bytes), RETRY_MS)
      } else if (error !== null) {
        this.#lost(bytes)
      } else if (written < bytes.length) {
        this.#put(bytes.subarray(written))
      } else {
        this.#length = this.#lines.reduce((sum, line) => sum + line.length, 0)
        this.#sayDropped()
        this.#next()
      }
    })
  }

  /** Its reader is gone (EPIPE), its disk is full, or the like. */
  #lost(bytes: Buffer): void {
    this.#dropped += linesIn(bytes) + this.#lines.length
    this.#lines = []
    this.#length = 0
    this.#goneUntil = this.#clock.now() + GONE_MS
    this.#next()
  }

  #sayDropped(): void {
    // With room to spare: it must not be dropped itself.
    if (this.#dropped === 0 || this.#length > MOST_LENGTH / 2) return
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
