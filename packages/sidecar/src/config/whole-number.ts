import { InvalidArgumentError } from 'commander'

/** A day: no timeout of the sidecar has reason to be longer. */
export const MAX_TIMEOUT_MS = 86_400_000

/** Reads an argument that is a whole number within bounds. */
export function wholeNumber(least: number, most: number): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (/^\d+$/.test(value) && number >= least && number <= most) return number
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
  }
}
