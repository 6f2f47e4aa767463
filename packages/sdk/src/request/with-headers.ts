import type { Dispatcher } from 'undici'
import { headerValues } from '../hashing/request-fields.js'

/**
 * The request with these headers, names and values in turn, but for those that it has already: its caller knows better.
 * Its headers are an array or an object.
 */
export function withHeaders(
  options: Dispatcher.DispatchOptions,
  added: readonly string[],
): Dispatcher.DispatchOptions {
  const { headers } = options
  const missing: string[] = []
  for (let place = 0; place + 1 < added.length; place += 2) {
    const [name = '', value = ''] = added.slice(place, place + 2)
    if (headerValues(headers, name.toLowerCase()) === undefined) missing.push(name, value)
  }
  if (missing.length === 0) return options
  if (Array.isArray(headers)) return { ...options, headers: [...headers, ...missing] }
  const record: Record<string, string> = { ...(headers as Record<string, string> | null | undefined) }
  for (let place = 0; place + 1 < missing.length; place += 2)
    record[missing[place] ?? ''] = missing[place + 1] ?? ''
  return { ...options, headers: record }
}

/** The request with this header in place of any of its name. Its headers are an array or an object. */
export function withHeader(
  options: Dispatcher.DispatchOptions,
  name: string,
  value: string,
): Dispatcher.DispatchOptions {
  const { headers } = options
  const lower = name.toLowerCase()
  if (Array.isArray(headers)) {
    const others = headers.filter((_, place) => headers[place - (place % 2)]?.toLowerCase() !== lower)
    return { ...options, headers: [...others, name, value] }
  }
  const given = Object.entries((headers ?? {}) as Record<string, string>)
  const others = given.filter(([key]) => key.toLowerCase() !== lower)
  return { ...options, headers: Object.fromEntries([...others, [name, value]]) }
}
