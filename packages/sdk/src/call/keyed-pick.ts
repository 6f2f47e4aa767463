import type { PickContext } from '../balance/picker.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import type { KeyHash } from '../hashing/key-hash.js'
import type { RequestFields } from '../hashing/request-fields.js'
import type { RequestHasher } from '../hashing/request-hasher.js'

/** What a use of an endpoint may be told apart by, where it is no HTTP request of ours. */
export interface PickedBy {
  readonly hashKey: string | undefined
  /** As undici has them: `null` for none. */
  readonly headers: NonNullable<RequestFields['headers']> | null
}

/** A pick for what is no HTTP request of ours: it has a key or headers, and no path. */
export class KeyedPick implements PickContext<Endpoint>, KeyHash {
  readonly now: number
  readonly idempotent: boolean | undefined
  /** It is its own hash, so that none has to be made. */
  high = 0
  low = 0
  tried: readonly Endpoint[]
  readonly #by: PickedBy
  readonly #hasher: RequestHasher
  #keyed: boolean | undefined

  /** @param now The clock's milliseconds. */
  constructor(
    now: number,
    by: PickedBy,
    hasher: RequestHasher,
    idempotent: boolean | undefined,
    tried: readonly Endpoint[],
  ) {
    this.now = Math.floor(now)
    this.#by = by
    this.#hasher = hasher
    this.idempotent = idempotent
    this.tried = tried
  }

  get headers(): PickedBy['headers'] {
    return this.#by.headers
  }

  get hash(): KeyHash | undefined {
    return this.keyed ? this : undefined
  }

  /** Has a balancer asked for its key, and does it have one? */
  get wasKeyed(): boolean {
    return this.#keyed === true
  }

  private get keyed(): boolean {
    const { hashKey, headers } = this.#by
    this.#keyed ??= this.#hasher.hash({ method: 'POST', path: '', headers, hashKey }, this)
    return this.#keyed
  }
}
