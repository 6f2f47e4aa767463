/** Headers as they came off the wire, names and values in turn. */
export type RawHeaders = readonly Buffer[]

/**
 * Where the next value of a header stands, at `from` or behind it; negative: nowhere. Allocates nothing.
 *
 * @param name In lower case.
 */
export function placeOf(headers: RawHeaders, name: string, from = 0): number {
  for (let place = from; place + 1 < headers.length; place += 2) {
    const found = headers[place]
    if (found?.length === name.length && isNamed(found, name)) return place + 1
  }
  return -1
}

/** Set in letters of lower case, and in all else that may be in a name but `^` and `_`: no name with these is asked for. */
const LOWER_CASE = 0x20

function isNamed(found: Buffer, name: string): boolean {
  for (let index = 0; index < name.length; index++) {
    if (((found[index] ?? 0) | LOWER_CASE) !== name.charCodeAt(index)) return false
  }
  return true
}

/** All values of a header, those of several lines joined as of `Headers.get`; undefined: there is none. */
export function valueIn(headers: RawHeaders, name: string): string | undefined {
  let found: string | undefined
  for (let place = placeOf(headers, name); place >= 0; place = placeOf(headers, name, place + 1)) {
    const value = headers[place]?.toString('latin1').trim() ?? ''
    found = found === undefined ? value : `${found}, ${value}`
  }
  return found
}
