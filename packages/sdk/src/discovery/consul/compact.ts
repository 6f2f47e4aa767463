/**
 * Interns plain data: one object stands for all that are equal, as of 10,000 instances most have the same tags, and there are few different
 * sets of meta and places among them.
 */
export class Interner {
  readonly #known = new Map<string, object>()

  /** @param value Plain data; frozen, as it is everybody's now. */
  intern<T extends object>(value: T): T {
    const name = JSON.stringify(value)
    const known = this.#known.get(name)
    if (known !== undefined) return known as T
    this.#known.set(name, Object.freeze(value))
    return value
  }
}

/** A string in one piece: V8 keeps the parts of a sum, and one more object for each, 100 bytes a string. */
export function flattened(...parts: readonly string[]): string {
  return parts.join('')
}
