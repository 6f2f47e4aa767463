/**
 * A quantile of the last samples, whole numbers of 0 or more: kept up to date as they come, so that reading is free.
 * Larger samples count as the largest one.
 */
export class Quantile {
  readonly #quantile: number
  /** The last samples, in a circle. */
  readonly #samples: Int32Array
  /** How many of them there are of each value. */
  readonly #counts: Int32Array
  #next = 0
  #size = 0
  #value = 0
  /** How many samples are below the value. */
  #below = 0

  /**
   * @param quantile 0 to 1.
   * @param window How many samples count.
   * @param largest The largest sample; larger ones count as this.
   */
  constructor(quantile: number, window: number, largest: number) {
    this.#quantile = quantile
    this.#samples = new Int32Array(window)
    this.#counts = new Int32Array(largest + 1)
  }

  /** The least value that at least this part of the samples do not exceed; 0 without samples. */
  get value(): number {
    return this.#value
  }

  add(sample: number): void {
    const value = Math.min(sample, this.#counts.length - 1)
    if (this.#size === this.#samples.length) this.#count(this.#samples[this.#next] ?? 0, -1)
    else this.#size++
    this.#samples[this.#next] = value
    this.#next = this.#next + 1 < this.#samples.length ? this.#next + 1 : 0
    this.#count(value, 1)
    this.#settle()
  }

  #count(value: number, change: number): void {
    this.#counts[value] = this.#of(value) + change
    if (value < this.#value) this.#below += change
  }

  /** A sample moves the value by what lies between two of them, which in the mean is little. */
  #settle(): void {
    const rank = Math.max(1, Math.ceil(this.#quantile * this.#size))
    while (this.#below >= rank) {
      this.#value--
      this.#below -= this.#of(this.#value)
    }
    while (this.#below + this.#of(this.#value) < rank) {
      this.#below += this.#of(this.#value)
      this.#value++
    }
  }

  #of(value: number): number {
    return this.#counts[value] ?? 0
  }
}
