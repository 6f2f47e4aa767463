import * as v from 'valibot'
import { didYouMean, holdsOptions } from './known-names.js'

/** A whole number. */
export const count = (least: number, most: number): v.GenericSchema<number> =>
  v.pipe(
    v.number(`a whole number from ${least} to ${most}`),
    v.integer(`a whole number from ${least} to ${most}`),
    v.minValue(least, `a whole number from ${least} to ${most}`),
    v.maxValue(most, `a whole number from ${least} to ${most}`),
  )

/** A whole number, or `false` for none. */
export const countOrFalse = (least: number, most: number): v.GenericSchema<number | false> => {
  const what = `a whole number from ${least} to ${most}, or false`
  return v.pipe(
    v.union([v.literal(false), v.number()], what),
    v.check((value) => value === false || isCount(value, least, most), what),
  )
}

/** A whole number of milliseconds. */
export const milliseconds = (least: number, most: number): v.GenericSchema<number> =>
  timing(`a whole number of milliseconds from ${least} to ${most}`, (value) => isCount(value, least, most))

/** A whole number of milliseconds, or `Infinity`. */
export const millisecondsOrInfinity = (least: number, most: number): v.GenericSchema<number> =>
  timing(
    `a whole number of milliseconds from ${least} to ${most}, or Infinity`,
    (value) => value === Infinity || isCount(value, least, most),
  )

const timing = (what: string, allowed: (value: number) => boolean): v.GenericSchema<number> =>
  v.pipe(v.number(what), v.check(allowed, what))

function isCount(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}

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

/**
 * An object of these entries and no others: a misspelt option must not be a default in disguise. Nor must an array or a
 * `Map`, which have none of the entries.
 */
export const group = <T extends v.ObjectEntries>(
  entries: T,
  what = 'an object of options',
): v.StrictObjectSchema<T, v.ErrorMessage<v.StrictObjectIssue>> => {
  const known = Object.keys(entries)
  // Of a key that is not known valibot says that none was expected, and of one that is missing it names the key; what
  // this makes of either is read by `complaint`.
  const strict = v.strictObject(entries, ({ expected, path }) => {
    const key = String(path?.at(-1)?.key)
    if (expected === 'never') return didYouMean(key, known)
    return path === undefined ? what : (wantedBy(entries[key]) ?? what)
  })
  const kind = v.custom<v.InferInput<typeof strict>>(holdsOptions, what)
  // Not a pipe of the two, which has no entries for `v.variant` to tell it by.
  return {
    ...strict,
    '~run': (dataset, config) =>
      holdsOptions(dataset.value) ? strict['~run'](dataset, config) : kind['~run'](dataset, config),
  }
}

/** What an entry must be, as it says itself of one that is not there. */
function wantedBy(entry: v.ObjectEntries[string] | undefined): string | undefined {
  return entry === undefined ? undefined : v.safeParse(entry, undefined).issues?.[0].message
}

/** Names of the program's own, each with a value. An array or a `Map` would pass for an empty one. */
export const table = <V extends v.GenericSchema>(
  names: v.GenericSchema<string>,
  values: V,
  what: string,
): v.GenericSchema<Record<string, v.InferInput<V>>, Record<string, v.InferOutput<V>>> =>
  v.pipe(v.custom<Record<string, v.InferInput<V>>>(holdsOptions, what), v.record(names, values, what))

export const orFalse = <T extends v.GenericSchema>(
  schema: T,
): v.UnionSchema<[v.LiteralSchema<false, undefined>, T], string> =>
  v.union([v.literal(false), schema], 'false or an object of options')

/** A day: as long as anything timed can mean to take, and far below where timers overflow. */
export const LONGEST_MS = 86_400_000

export const flag: v.GenericSchema<boolean> = v.boolean('true or false')

/** Text that is not empty. */
export const word = (what: string): v.GenericSchema<string> => v.pipe(v.string(what), v.minLength(1, what))
