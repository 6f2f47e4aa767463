import { stringify } from 'node:querystring'
import type { Dispatcher } from 'undici'

/** The parts of a dispatch that a request can be told apart by. */
export type RequestFields = Pick<Dispatcher.DispatchOptions, 'path' | 'method' | 'headers' | 'query'>

type Headers = RequestFields['headers']

/** One value, or several of one name. */
export type Values = string | readonly string[] | undefined

/**
 * The values of a header, in any of the shapes that undici takes: a flat array of names and values, pairs from an
 * iterable, or an object. What undici will reject is skipped here, so that its error is the one that is seen.
 *
 * @param name In lower case.
 */
export function headerValues(headers: Headers, name: string): Values {
  if (headers === null || typeof headers !== 'object') return undefined
  if (Array.isArray(headers)) return valuesOfList(headers, name)
  if (Symbol.iterator in headers) return valuesOfPairs(headers as Iterable<unknown>, name)
  return valuesOfObject(headers, name)
}

/**
 * The value of a cookie. One that is empty counts as none, as in Envoy.
 *
 * @param cookies The values of the header `cookie`.
 */
export function cookieValue(cookies: Values, name: string): string | undefined {
  if (cookies === undefined) return undefined
  if (typeof cookies === 'string') return cookieOf(cookies, name)
  for (const each of cookies) {
    const value = cookieOf(each, name)
    if (value !== undefined) return value
  }
  return undefined
}

/** The first value of a query parameter, as it stands in the path: not decoded, as in Envoy. Without `=` it is empty. */
export function queryValue(path: string, name: string): string | undefined {
  for (let at = path.indexOf('?') + 1; at > 0; at = path.indexOf('&', at) + 1) {
    if (!path.startsWith(name, at)) continue
    const after = at + name.length
    if (path[after] === '=') return path.slice(after + 1, endOf(path, '&', after))
    if (after === path.length || path[after] === '&') return ''
  }
  return undefined
}

/** The path as it will be sent, with its query. */
export function pathOf({ path, query }: RequestFields): string {
  const text = query === undefined ? '' : stringify(query)
  return text === '' ? path : `${path}?${text}`
}

/** The path as it will be sent, without its query. */
export function pathnameOf({ path }: RequestFields): string {
  return path.slice(0, endOf(path, '?', 0))
}

/** Headers that can be read once only are stored: reading them for the hash would leave none to be sent. */
export function withLastingHeaders<T extends RequestFields>(request: T): T {
  const { headers } = request
  if (headers === null || typeof headers !== 'object' || !('next' in headers)) return request
  if (typeof headers.next !== 'function' || !(Symbol.iterator in headers)) return request
  // Pairs laid out one after the other: of an array, undici expects that.
  return { ...request, headers: [...(headers as Iterable<[string, string]>)].flat() }
}

function valuesOfList(headers: readonly unknown[], name: string): Values {
  let found: Values
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (isNamed(headers[index], name)) found = joined(found, headers[index + 1])
  }
  return found
}

function valuesOfPairs(headers: Iterable<unknown>, name: string): Values {
  let found: Values
  for (const pair of headers) {
    if (Array.isArray(pair) && isNamed(pair[0], name)) found = joined(found, pair[1])
  }
  return found
}

function valuesOfObject(headers: object, name: string): Values {
  const record = headers as Readonly<Record<string, unknown>>
  // The usual case, without a list of all names.
  if (Object.hasOwn(record, name)) return joined(undefined, record[name])
  let found: Values
  for (const key of Object.keys(record)) if (isNamed(key, name)) found = joined(found, record[key])
  return found
}

function isNamed(key: unknown, name: string): boolean {
  // Lengths first: most names differ in them, and `toLowerCase` may make a string.
  return typeof key === 'string' && key.length === name.length && key.toLowerCase() === name
}

/** What undici makes of a value: nothing of `undefined`, an empty one of `null`, text of any other non-object. */
function joined(found: Values, value: unknown): Values {
  if (Array.isArray(value)) return value.reduce<Values>((values, each) => joined(values, each), found)
  const text = value === null ? '' : textOf(value)
  if (text === undefined || found === undefined) return text ?? found
  return typeof found === 'string' ? [found, text] : [...found, text]
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  return typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint'
    ? String(value)
    : undefined
}

function cookieOf(cookies: string, name: string): string | undefined {
  for (let at = 0; at < cookies.length; at = endOf(cookies, ';', at) + 1) {
    while (cookies[at] === ' ') at++
    const after = at + name.length
    if (!cookies.startsWith(name, at) || cookies[after] !== '=') continue
    const value = unquoted(cookies.slice(after + 1, endOf(cookies, ';', after)).trim())
    return value === '' ? undefined : value
  }
  return undefined
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}

function endOf(text: string, separator: string, from: number): number {
  const end = text.indexOf(separator, from)
  return end < 0 ? text.length : end
}
