import type { KeyHash } from '../hashing/key-hash.js'
import { Xxh64 } from '../hashing/xxh64.js'

/** What a client makes of `hashKey`, for the `hash` of a `PickContext`. */
export function keyHash(hashKey: string): KeyHash {
  const hash = new Xxh64()
  hash.hash(hashKey)
  return { high: hash.high, low: hash.low }
}
