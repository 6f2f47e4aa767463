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
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw invalidOption(`options of ${where}`, options, 'an object of options')
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new FairleadError(
        'INVALID_OPTION',
        `${where}: unknown option ${name}: remove it or check its spelling${didYouMean(name, known)}`,
      )
    }
  }
}

/** ` (did you mean <name>?)`, or nothing where no name is near. */
export function didYouMean(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  return near === undefined ? '' : ` (did you mean ${near}?)`
}
