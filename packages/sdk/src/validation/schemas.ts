import * as v from 'valibot'
import { didYouMean } from './known-names.js'

/** A whole number. */
export const count = (least: number, most: number): v.GenericSchema<number> =>
  v.pipe(
    v.number(`a whole number from ${least} to ${most}`),
    v.integer(`a whole number from ${least} to ${most}`),
    v.minValue(least, `a whole number from ${least} to ${most}`),
    v.maxValue(most, `a whole number from ${least} to ${most}`),
  )

/** A number; `what` is the end of "it must be ...". */
export const amount = (least: number, most: number, what: string): v.GenericSchema<number> =>
  v.pipe(v.number(what), v.minValue(least, what), v.maxValue(most, what))

/** An object with these methods. */
export const having = <T>(what: string, ...methods: readonly string[]): v.GenericSchema<T> =>
  v.custom<T>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function'),
    what,
  )

/** An object of these entries and no others: a misspelt option must not be a default in disguise. */
export const group = <T extends v.ObjectEntries>(
  entries: T,
  what = 'an object of options',
): v.StrictObjectSchema<T, v.ErrorMessage<v.StrictObjectIssue>> => {
  const known = Object.keys(entries)
  // Of a key that is not known valibot says that none was expected; what this makes of it is read by `complaint`.
  return v.strictObject(entries, ({ expected, path }) =>
    expected === 'never' ? didYouMean(String(path?.at(-1)?.key), known) : what,
  )
}

export const orFalse = <T extends v.GenericSchema>(
  schema: T,
): v.UnionSchema<[v.LiteralSchema<false, undefined>, T], string> =>
  v.union([v.literal(false), schema], 'false or an object of options')

/** A day: as long as anything timed can mean to take, and far below where timers overflow. */
export const LONGEST_MS = 86_400_000

export const flag: v.GenericSchema<boolean> = v.boolean('true or false')

/** Text that is not empty. */
export const word = (what: string): v.GenericSchema<string> => v.pipe(v.string(what), v.minLength(1, what))
