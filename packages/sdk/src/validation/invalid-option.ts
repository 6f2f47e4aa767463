import { inspect } from 'node:util'
import { FairleadError } from '../errors.js'

/** An option with a value that it cannot have: `<name> is <value>: it must be <wanted>`. */
export function invalidOption(name: string, value: unknown, wanted: string): FairleadError {
  return new FairleadError('INVALID_OPTION', `${name} is ${shown(value)}: it must be ${wanted}`)
}

/** Throws for what is not a whole number from `least` to `most`. */
export function requireCount(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw invalidOption(name, value, `a whole number from ${least} to ${most}`)
}

/** Throws for what is not a time to wait: milliseconds above 0, or `Infinity`. */
export function requireTime(name: string, value: unknown): void {
  if (typeof value === 'number' && value > 0) return
  throw invalidOption(name, value, 'milliseconds above 0, or Infinity')
}

/** A value for a message to people. */
export function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 1, breakLength: Infinity, maxStringLength: 80 })
  } catch {
    // A value that inspects itself, and fails.
    return `of type ${typeof value}`
  }
}
