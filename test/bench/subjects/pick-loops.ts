import type { KeyHash, PickContext, Picker } from '@fairlead/sdk'
import type { RequestHasher } from '#sdk/hashing/request-hasher.js'
import { BEGIN_MS, type LiveEndpoint } from './live-endpoints.js'

/** What is under the clock. It allocates nothing itself, and keeps what was picked, so that nothing can be left out. */
export interface Loop {
  run(picks: number): void
}

/** A key, as a request brings it. */
export interface KeyedRequest {
  readonly path: string
  readonly method: string
  readonly hashKey: string
}

// A busier client than any: with fewer, the run would take so long by this clock that all latencies decay to nothing.
const PICKS_PER_MS = 1000

/** Stands for the request in a pick, and has its time. */
export class Context implements PickContext<LiveEndpoint> {
  now: number = BEGIN_MS
  readonly tried: readonly LiveEndpoint[] = []
  readonly hash: undefined
}

/** Only picks. */
export class PickLoop implements Loop {
  picked: LiveEndpoint | undefined
  readonly #picker: Picker<LiveEndpoint>
  readonly #context: Context

  constructor(picker: Picker<LiveEndpoint>, context: Context) {
    this.#picker = picker
    this.#context = context
  }

  run(picks: number): void {
    const context = this.#context
    for (let pick = 0; pick < picks; pick++) {
      if (pick % PICKS_PER_MS === 0) context.now++
      const endpoint = this.#picker.pick(context)
      if (endpoint === undefined) throw new Error('nothing was picked')
      this.picked = endpoint
    }
  }
}

/** Each pick begins a request, and the one that began longest ago ends. */
export class LoadLoop implements Loop {
  readonly #picker: Picker<LiveEndpoint>
  readonly #inflight: LiveEndpoint[]
  readonly #context: Context
  #oldest = 0

  constructor(picker: Picker<LiveEndpoint>, context: Context, first: LiveEndpoint, inflight: number) {
    this.#picker = picker
    this.#context = context
    this.#inflight = Array.from({ length: inflight }, () => {
      first.begin()
      return first
    })
  }

  run(picks: number): void {
    const context = this.#context
    for (let pick = 0; pick < picks; pick++) {
      if (pick % PICKS_PER_MS === 0) context.now++
      const endpoint = this.#picker.pick(context)
      if (endpoint === undefined) throw new Error('nothing was picked')
      const oldest = this.#oldest
      endpoint.begin()
      this.#inflight[oldest]?.end()
      this.#inflight[oldest] = endpoint
      this.#oldest = oldest + 1 < this.#inflight.length ? oldest + 1 : 0
    }
  }
}

/** Each pick is for the next key, which is hashed for it. */
export class KeyLoop implements Loop {
  picked: LiveEndpoint | undefined
  readonly #picker: Picker<LiveEndpoint>
  readonly #requests: readonly KeyedRequest[]
  readonly #context: KeyedContext
  #next = 0

  constructor(picker: Picker<LiveEndpoint>, hasher: RequestHasher, requests: readonly KeyedRequest[]) {
    this.#picker = picker
    this.#requests = requests
    this.#context = new KeyedContext(hasher)
  }

  run(picks: number): void {
    const context = this.#context
    for (let pick = 0; pick < picks; pick++) {
      if (pick % PICKS_PER_MS === 0) context.now++
      const next = this.#next
      context.ask(this.#requests[next])
      this.#next = next + 1 < this.#requests.length ? next + 1 : 0
      const endpoint = this.#picker.pick(context)
      if (endpoint === undefined || !context.keyed) throw new Error('nothing was picked by a key')
      this.picked = endpoint
    }
  }
}

/** Its own hash, computed when it is first read, as a call is. */
class KeyedContext implements PickContext<LiveEndpoint>, KeyHash {
  now: number = BEGIN_MS
  high = 0
  low = 0
  readonly tried: readonly LiveEndpoint[] = []
  readonly #hasher: RequestHasher
  #request: KeyedRequest | undefined
  #keyed: boolean | undefined

  constructor(hasher: RequestHasher) {
    this.#hasher = hasher
  }

  /** Has the hash been read? */
  get keyed(): boolean {
    return this.#keyed === true
  }

  get hash(): KeyHash | undefined {
    this.#keyed ??= this.#request !== undefined && this.#hasher.hash(this.#request, this)
    return this.#keyed ? this : undefined
  }

  ask(request: KeyedRequest | undefined): void {
    this.#request = request
    this.#keyed = undefined
  }
}
