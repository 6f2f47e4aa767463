/** Something has happened since it was last looked: for one who waits, and remembers for him while he is busy. */
export class Latch {
  #open = false
  #wake: (() => void) | undefined

  open(): void {
    this.#open = true
    this.#wake?.()
  }

  /** Resolves when it is open, and closes it. */
  async passed(): Promise<void> {
    if (!this.#open) await new Promise<void>((resolve) => (this.#wake = resolve))
    this.#open = false
    this.#wake = undefined
  }
}
