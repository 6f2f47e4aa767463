import { resolve } from 'node:path'
import * as v from 'valibot'
import { systemClock, type Clock } from '../../clock.js'
import { asError } from '../../errors.js'
import { checked } from '../../validation/checked.js'
import { group, milliseconds } from '../../validation/schemas.js'
import { FilePoller } from './file-state.js'
import { poll, type PollResult } from '../polling.js'
import type { Resolver, Snapshot } from '../resolver.js'
import { isBracketed, parseServiceFile, YamlNotLoaded } from './service-file.js'

/** Which file `fileResolver` reads, and how often it polls it. */
export interface FileResolverOptions {
  /** A JSON or YAML file; relative to the working directory at the time of the call. */
  readonly path: string
  /** How often to poll it for a change, in milliseconds, 10 to 3,600,000. Default 1,000. */
  readonly pollMs?: number | undefined
  /** For tests. Default: the machine's. */
  readonly clock?: Clock | undefined
}

const PATH = 'the path of a JSON or YAML file'

const schema = group(
  {
    path: v.pipe(v.string(PATH), v.minLength(1, PATH)),
    // Below 10 ms the time stamps of most systems do not tell two writes apart; an hour is longer than anyone waits.
    pollMs: v.optional(milliseconds(10, 3_600_000), 1000),
    clock: v.optional(v.custom<Clock>((value) => typeof value === 'object' && value !== null, 'a clock')),
  },
  'an object with the path of a file',
)

// What might be the beginning of something longer, or the moment between a file's end and its return, is used when
// it has stood for this long. A program that writes a file in pieces pauses for microseconds between them, or, on a busy
// machine, for a few time slices of some milliseconds.
const SETTLE_MS = 100

// Five seconds of one change after the other: that is not a file being written any more.
const MOST_CHANGES = 50

/**
 * Follows a JSON or YAML file that maps the names of services to lists of instances: for development, and for platforms
 * that write such a file. All ways of writing it are good: in place, by renaming another file, by swapping a link as
 * Kubernetes does. Where it cannot be used (not there, half written, a mistake in it) the last usable set stays,
 * and is stale, with the place of the mistake. A service that it does not name has no instances.
 *
 * It is polled every second; a file system's own notices would miss a swapped link. More than some hundred
 * instances are better written as JSON: 10,000 take 0.2 s to read, but seconds as YAML, which is rejected above 1 MiB.
 *
 * @throws FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createClient, fileResolver } from '@fairlead/sdk'
 *
 * // orders:
 * //   - http://10.0.0.1:8080
 * //   - { address: 10.0.0.2, port: 8080, weight: 3, zone: eu-1a }
 * const orders = createClient('orders', { resolver: fileResolver({ path: 'services.yaml' }) })
 * ```
 */
export function fileResolver(options: FileResolverOptions): Resolver {
  const given = checked(schema, options)
  const { pollMs, clock = systemClock } = given
  const path = resolve(given.path)
  return {
    name: `the file ${path}`,
    watch(service, signal) {
      const reader = new ServiceReader(path, service, pollMs)
      return poll({ read: () => reader.read(), retryMs: () => pollMs, clock }, signal)
    },
  }
}

type Reading = { readonly text: string } & ({ readonly snapshot: Snapshot } | { readonly fault: string })

/** One service in one file. */
class ServiceReader {
  readonly #path: string
  readonly #service: string
  readonly #pollMs: number
  readonly #file: FilePoller
  #reading: Reading | undefined
  /** Polls in a row of which each found the file changed. */
  #changes = 0

  constructor(path: string, service: string, pollMs: number) {
    this.#path = path
    this.#service = service
    this.#pollMs = pollMs
    this.#file = new FilePoller(path)
  }

  async read(): Promise<PollResult> {
    const { state, count } = await this.#file.poll()
    const settled = count > 1
    this.#changes = settled ? 0 : this.#changes + 1
    if (this.#changes > MOST_CHANGES) {
      throw new Error(
        `${this.#path} never stays the same for ${SETTLE_MS} ms; write it to another file and rename that into place`,
      )
    }
    const again: PollResult = { snapshot: undefined, nextMs: SETTLE_MS }
    if (!settled && !('text' in state && isBracketed(state.text))) return again
    const reading = 'fault' in state ? state : await this.#readingOf(state.text)
    if ('snapshot' in reading)
      return { snapshot: reading.snapshot, nextMs: settled ? this.#pollMs : SETTLE_MS }
    if (!settled) return again
    throw new Error(reading.fault)
  }

  async #readingOf(text: string): Promise<Reading> {
    if (this.#reading?.text === text) return this.#reading
    return (this.#reading = await this.#parse(text))
  }

  async #parse(text: string): Promise<Reading> {
    try {
      const instances = await parseServiceFile(text, this.#service)
      return { text, snapshot: Object.freeze({ kind: 'snapshot', instances, excluded: [] }) }
    } catch (error) {
      if (error instanceof YamlNotLoaded) throw error
      return { text, fault: `${this.#path} cannot be used: ${asError(error).message}` }
    }
  }
}
