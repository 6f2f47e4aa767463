import { createHmac, hash, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Candidate } from '../balance/picker.js'
import { addressIn } from '../discovery/place.js'

/** What a session token proves, and what a response is given for it. */
export interface Pass {
  readonly token: string
  /** The token, in bytes. */
  readonly bytes: Buffer
}

// A token is 8 bytes of name and 16 of signature, together 32 characters of base64url without a rest, so that no two
// texts stand for one token. 64 bits tell endpoints apart: two of 10,000 share a name once in 10^11 fleets, and then
// the signature tells them apart. 128 bits are what RFC 2104, 5, leaves of HMAC-SHA256 at the least.
const ID_BYTES = 8
const TOKEN_BYTES = 24
const TOKEN = /^[\w-]{32}$/

// As many names as a turn of the event loop may take: 1 ms, and 2 while the code has not been compiled yet.
const STEP = 500

/** An endpoint as it is called in tokens. */
interface Name {
  readonly high: number
  readonly low: number
  /** Made for the first session on it: most of 10,000 endpoints have none within the life of a set. */
  pass: Pass | undefined
}

/**
 * The names that one secret gives to the endpoints of one service, and whose they are.
 * Both parts of a token depend on the secret: without it a name can neither be made nor be traced back to an address,
 * not even by trying all known addresses.
 */
export class SessionNames<E extends Candidate> {
  readonly #nameKey: string
  readonly #signKey: Buffer
  /** The token being looked at: a place of our own, so that looking allocates nothing. */
  readonly #given = Buffer.alloc(TOKEN_BYTES)
  #names = new Map<E, Name>()
  #endpoints: readonly E[] = []
  /** By the lower half of its name, or the next free one after it: the place of an endpoint, counted from 1. */
  #slots = new Int32Array(1)

  /** @param service Its tokens are of no use for another one. */
  constructor(secret: KeyObject, service: string) {
    // A key for each purpose and service (NIST SP 800-108): nothing that is made for one is of use for another.
    this.#nameKey = keyFor(secret, 'name', service).toString('base64url')
    this.#signKey = keyFor(secret, 'sign', service)
  }

  /** Names those that have none yet, in steps for a turn of the event loop each. */
  *prepare(endpoints: Iterable<E>): Generator<void, void> {
    let made = 0
    for (const endpoint of endpoints) {
      if (this.#names.has(endpoint)) continue
      this.#names.set(endpoint, this.#name(endpoint))
      if (++made % STEP === 0) yield
    }
  }

  /** From now on these are the endpoints; all others are forgotten. */
  adopt(endpoints: readonly E[]): void {
    const names = new Map<E, Name>()
    // Half of them stay free, so that a search is short.
    const slots = new Int32Array(2 ** Math.ceil(Math.log2(2 * endpoints.length + 1)))
    const mask = slots.length - 1
    endpoints.forEach((endpoint, place) => {
      const name = this.#names.get(endpoint) ?? this.#name(endpoint)
      names.set(endpoint, name)
      let slot = name.low & mask
      while (slots[slot] !== 0) slot = (slot + 1) & mask
      slots[slot] = place + 1
    })
    this.#names = names
    this.#endpoints = endpoints
    this.#slots = slots
  }

  /** The endpoint that a token was signed for. `undefined` for an invalid token of any kind. */
  find(token: string): E | undefined {
    if (!TOKEN.test(token)) return undefined
    const given = this.#given
    given.write(token, 'base64url')
    const high = given.readInt32BE(0)
    const low = given.readInt32BE(4)
    const slots = this.#slots
    const mask = slots.length - 1
    for (let slot = low & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const endpoint = this.#endpoints[(slots[slot] ?? 0) - 1]
      const name = endpoint && this.#names.get(endpoint)
      if (endpoint === undefined || name === undefined) return undefined
      if (name.low !== low || name.high !== high) continue
      // In constant time, or a forger could find a signature byte by byte.
      if (timingSafeEqual(given, this.#passOf(endpoint, name).bytes)) return endpoint
    }
    return undefined
  }

  /** What a session on this endpoint is given. `undefined`: it has left the service. */
  pass(endpoint: E): Pass | undefined {
    const name = this.#names.get(endpoint)
    return name && this.#passOf(endpoint, name)
  }

  #name({ instance }: E): Name {
    // Cut to a quarter, so that a secret prefix is as good as HMAC, in a quarter of the time: of the state that
    // would be extended three quarters are missing. It only has to say nothing; the signature is HMAC's.
    const digest = hash('sha256', this.#nameKey + addressIn(instance.key), 'buffer')
    return { high: digest.readInt32BE(0), low: digest.readInt32BE(4), pass: undefined }
  }

  #passOf({ instance }: E, name: Name): Pass {
    return (name.pass ??= this.#sign(addressIn(instance.key), name))
  }

  /** @param address Not its key: a session stays where it is when one of several ids of an address goes. */
  #sign(address: string, { high, low }: Name): Pass {
    const bytes = Buffer.alloc(TOKEN_BYTES)
    bytes.writeInt32BE(high, 0)
    bytes.writeInt32BE(low, 4)
    createHmac('sha256', this.#signKey)
      .update(address)
      .digest()
      .copy(bytes, ID_BYTES, 0, TOKEN_BYTES - ID_BYTES)
    return { token: bytes.toString('base64url'), bytes }
  }
}

function keyFor(secret: KeyObject, purpose: string, service: string): Buffer {
  // Consul looks services up whatever their case.
  return createHmac('sha256', secret).update(`fairlead session ${purpose}\0${service.toLowerCase()}`).digest()
}
