import { isAborted, type Clock, type Timer } from '../../clock.js'
import { asError, reasonOf } from '../../errors.js'
import type { Events } from '../../observe/events.js'
import type { Resolver, ResolverEvent, Snapshot } from '../resolver.js'
import { SnapshotFile } from './snapshot-file.js'

export interface SnapshotCacheOptions {
  readonly directory: string
  /** An older set is of no use, in milliseconds. */
  readonly maxAgeMs: number
}

// A flapping service must not wear out a disk; what is lost of a set that is a second old is nothing.
const LEAST_PAUSE_MS = 1000

// A set that has not changed is still being confirmed: without a new date it would grow too old while it is right.
const DATES_PER_AGE = 20

/** Keeps the last set of each service on disk, and gives it where the first answer of discovery is a failure, or suspect. */
export class SnapshotCache implements Resolver {
  readonly name: string
  readonly #resolver: Resolver
  readonly #source: string
  readonly #options: SnapshotCacheOptions
  readonly #clock: Clock
  readonly #events: Events

  /** @param source What else tells the sets of a service apart besides its name: who is asked, and what for. */
  constructor(
    resolver: Resolver,
    source: string,
    options: SnapshotCacheOptions,
    clock: Clock,
    events: Events,
  ) {
    this.name = resolver.name
    this.#resolver = resolver
    this.#source = source
    this.#options = options
    this.#clock = clock
    this.#events = events
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<ResolverEvent, void, undefined> {
    const file = new SnapshotFile(this.#options.directory, this.#source, service)
    const saving = new Saving(file, this.#options.maxAgeMs / DATES_PER_AGE, this.#clock, this.#events)
    let looked = false
    /** Why there is no saved set, as long as there is no other one either. */
    let unusable: string | undefined
    try {
      for await (const event of this.#resolver.watch(service, signal)) {
        if (event.kind === 'snapshot') {
          // What a suspect answer lacks is retained by the client, once it knows of it.
          const saved = looked || event.suspect === undefined ? undefined : await this.#load(file)
          if (isAborted(signal)) return
          if (typeof saved === 'object') yield saved
          looked = true
          unusable = undefined
          // A suspect set must not be what a start without Consul has to go by, nor does it confirm the one before.
          if (event.suspect === undefined) saving.take(event)
          else saving.pause()
          yield event
          continue
        }
        saving.pause()
        if (!looked) {
          looked = true
          const saved = await this.#load(file)
          if (isAborted(signal)) return
          if (typeof saved === 'string') unusable = saved
          else yield saved
        }
        yield unusable === undefined ? event : explained(event.cause, unusable)
      }
    } finally {
      await saving.end()
    }
  }

  /** The saved set, or why there is none, as the end of a sentence. */
  async #load(file: SnapshotFile): Promise<Snapshot | string> {
    try {
      const saved = await file.read()
      // A date far ahead is no better than one long past: the clock was wrong, then or now.
      const ageMs = Math.abs(this.#clock.unixTime() - saved.savedAt)
      if (ageMs <= this.#options.maxAgeMs) return saved
      return `the saved set ${file.path} is of ${new Date(saved.savedAt).toISOString()}, which is too old (option snapshot.maxAgeMs)`
    } catch (thrown) {
      const error = asError(thrown) as NodeJS.ErrnoException
      return error.code === 'ENOENT'
        ? `no set was saved as ${file.path}`
        : `the saved set ${file.path} cannot be used: ${reasonOf(error)}`
    }
  }
}

/** Why there is no set at all: discovery has failed, and the disk has none. */
function explained(cause: Error, unusable: string): ResolverEvent {
  return { kind: 'stale', cause: new Error(`${cause.message}; and ${unusable}`, { cause }) }
}

/** Writes one service's set, the latest only and one at a time, and dates it anew while discovery confirms it. */
class Saving {
  readonly #file: SnapshotFile
  readonly #dateMs: number
  readonly #clock: Clock
  readonly #events: Events
  #latest: Snapshot | undefined
  #written: Snapshot | undefined
  #wroteAt = -Infinity
  #savedAt = 0
  #waiting = false
  #timer: Timer | undefined
  #writing: Promise<void> = Promise.resolve()
  #failing = false

  constructor(file: SnapshotFile, dateMs: number, clock: Clock, events: Events) {
    this.#file = file
    this.#dateMs = dateMs
    this.#clock = clock
    this.#events = events
  }

  /** The set is this now, and discovery confirms it. */
  take(snapshot: Snapshot): void {
    this.#latest = snapshot
    this.#arm(Math.max(0, this.#wroteAt + LEAST_PAUSE_MS - this.#clock.now()))
  }

  /** Nothing confirms the set any longer. */
  pause(): void {
    this.#disarm()
    if (this.#latest !== this.#written) this.#write()
  }

  /** Resolves when what there was to write is written. */
  async end(): Promise<void> {
    this.pause()
    await this.#writing
  }

  #arm(delayMs: number): void {
    this.#disarm()
    this.#timer = this.#clock.setTimer(() => {
      this.#write()
      this.#arm(this.#dateMs)
    }, delayMs)
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  #write(): void {
    if (this.#latest === undefined) return
    this.#written = this.#latest
    this.#wroteAt = this.#clock.now()
    this.#savedAt = this.#clock.unixTime()
    // A disk may be slower than a service changes: one write is under way, and one waits and takes the latest.
    if (this.#waiting) return
    this.#waiting = true
    this.#writing = this.#writing.then(() => this.#put())
  }

  async #put(): Promise<void> {
    this.#waiting = false
    if (this.#written === undefined) return
    try {
      await this.#file.write(this.#written, this.#savedAt)
      this.#failing = false
    } catch (error) {
      // Once, not for each set: it costs nothing now, only the next start without Consul.
      if (!this.#failing) this.#report(asError(error))
      this.#failing = true
      // So that the end tries once more.
      this.#written = undefined
    }
  }

  #report(error: Error): void {
    this.#events.publish({ type: 'discovery:save-failed', file: this.#file.path, error })
  }
}
