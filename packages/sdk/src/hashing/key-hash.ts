/**
 * 64 bits that a request is hashed to, as two signed 32-bit integers: V8 makes an object of any larger number.
 * Either half alone is well mixed.
 */
export interface KeyHash {
  /** Bits 32 to 63, as a signed 32-bit integer. */
  readonly high: number
  /** Bits 0 to 31, as a signed 32-bit integer. */
  readonly low: number
}

/** A {@link KeyHash} to write to. */
export interface KeyHashTarget {
  high: number
  low: number
}
