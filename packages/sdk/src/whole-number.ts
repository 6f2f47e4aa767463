import * as v from 'valibot'

/** The schema of a whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number): v.GenericSchema<number> {
  const wanted = `a whole number from ${least} to ${most}`
  return v.pipe(v.number(wanted), v.integer(wanted), v.minValue(least, wanted), v.maxValue(most, wanted))
}
