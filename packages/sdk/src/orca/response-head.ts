/** Headers as `response.writeHead` takes them: by name, names and values in turn, or a pair for each. */
type Headers = Readonly<Record<string, unknown>> | readonly unknown[]

/**
 * Headers for `response.writeHead` with one more, unless they have it already. Not by `setHeader`: with that Node makes
 * one header of those that a list has several times, such as `set-cookie`, and takes longer.
 *
 * @param name In small letters.
 */
export function withHeader(headers: Headers | null | undefined, name: string, value: string): Headers {
  if (isList(headers)) return withEntry(headers, name, value)
  const full: Record<string, unknown> = {}
  if (headers !== undefined && headers !== null) {
    for (const key of Object.keys(headers)) {
      if (isNamed(key, name)) return headers
      full[key] = headers[key]
    }
  }
  full[name] = value
  return full
}

function withEntry(list: readonly unknown[], name: string, value: string): readonly unknown[] {
  const paired = isList(list[0])
  const names = paired
    ? list.map((pair) => (pair as unknown[])[0])
    : list.filter((_, place) => place % 2 === 0)
  if (names.some((other) => isNamed(other, name))) return list
  return paired ? [...list, [name, value]] : [...list, name, value]
}

function isNamed(other: unknown, name: string): boolean {
  return typeof other === 'string' && other.length === name.length && other.toLowerCase() === name
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value)
}
