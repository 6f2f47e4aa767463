import { types } from 'node:util'
import { FairleadError } from '../errors.js'
import { invalidOption } from './invalid-option.js'
import { nearest } from './nearest-name.js'

/**
 * Throws for what is not an object of options, and for own keys that nothing reads: a misspelt option must not be a default in disguise.
 *
 * @param where What takes the options, such as `ready`.
 * @throws FairleadError `INVALID_OPTION`.
 */
export function requireKnown(where: string, options: unknown, known: readonly string[]): void {
  if (!holdsOptions(options)) throw invalidOption(`options of ${where}`, options, 'an object of options')
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new FairleadError(
        'INVALID_OPTION',
        `${where}: unknown option ${name}: remove it or check its spelling${didYouMean(name, known)}`,
      )
    }
  }
}

/**
 * May its properties be options? Those of an instance of a class may; but what holds its things in another way (an array,
 * a `Map`, a generator) or is a value by itself (a `Date`, a promise that was not awaited) would be no options at all.
 */
export function holdsOptions(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Symbol.iterator in value) return false
  return !VALUES.some((isValue) => isValue(value))
}

const VALUES: readonly ((value: unknown) => boolean)[] = [
  ...[types.isDate, types.isRegExp, types.isPromise, types.isNativeError, types.isBoxedPrimitive],
  ...[types.isWeakMap, types.isWeakSet, types.isAnyArrayBuffer, types.isArrayBufferView],
  (value) => value instanceof URL,
]

/** ` (did you mean <name>?)`, or nothing where no name is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}
