import * as v from 'valibot'
import { asError, FairleadError, reasonOf } from '../errors.js'
import { validationError } from './validation-error.js'

/**
 * What a schema makes of the options that someone was given.
 *
 * @throws FairleadError `INVALID_OPTION`, naming the option, its value and what it should be.
 */
export function checked<T extends v.GenericSchema>(schema: T, options: unknown): v.InferOutput<T> {
  return readable('options', options, () => {
    const given = v.safeParse(schema, options)
    if (!given.success) throw validationError(given.issues[0], 'options')
    return given.output
  })
}

/**
 * Reads options. What their own code throws meanwhile (a getter, the trap of a Proxy, a Proxy that was revoked) becomes
 * an error that names the option.
 *
 * @param root What the options as a whole are called.
 * @throws FairleadError `INVALID_OPTION`; whatever else `read` throws.
 */
export function readable<T>(root: string, options: unknown, read: () => T): T {
  try {
    return read()
  } catch (thrown) {
    throw thrown instanceof FairleadError ? thrown : unreadable(root, options, thrown)
  }
}

/** For what was thrown while options were read: the error that names the option, or what was thrown where none throws. */
export function unreadable(root: string, options: unknown, thrown: unknown): unknown {
  const path = throwingIn(options, DEEPEST)
  if (path === undefined) return thrown
  return new FairleadError(
    'INVALID_OPTION',
    `${path.join('.') || root} cannot be read: ${reasonOf(asError(thrown))}`,
    { cause: thrown },
  )
}

// No option is deeper, and options may contain themselves.
const DEEPEST = 4

/** The way to the first property that throws when it is read; undefined: none does. */
function throwingIn(value: unknown, depth: number): readonly string[] | undefined {
  if (typeof value !== 'object' || value === null || depth === 0) return undefined
  let keys: readonly string[]
  try {
    keys = Object.keys(value)
  } catch {
    return []
  }
  for (const key of keys) {
    try {
      const deeper = throwingIn((value as Readonly<Record<string, unknown>>)[key], depth - 1)
      if (deeper !== undefined) return [key, ...deeper]
    } catch {
      return [key]
    }
  }
  return undefined
}
