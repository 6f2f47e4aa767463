import { Buffer } from 'node:buffer'
import { Readable } from 'node:stream'
import { FormData as UndiciFormData, type Dispatcher } from 'undici'
import { headerValues } from '../hashing/request-fields.js'
import { WatchedBody } from './watched-body.js'

/** A body of any type that undici takes. */
export function isSendable(body: unknown): boolean {
  if (typeof body === 'string' || Buffer.isBuffer(body)) return true
  return (
    isStream(body) ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    isFormData(body) ||
    isIterable(body) ||
    isBlob(body)
  )
}

/**
 * Can this body be sent twice as it stands? A stream cannot, nor can an iterator; an array, a Blob and a form are
 * read anew each time.
 */
export function isReplayable(body: unknown): boolean {
  return (
    body === undefined ||
    body === null ||
    typeof body === 'string' ||
    ArrayBuffer.isView(body) ||
    body instanceof ArrayBuffer ||
    isBlob(body) ||
    isFormData(body) ||
    Array.isArray(body)
  )
}

/**
 * The request with a body that undici can send, for one that it takes and then fails to: a form of the process's own
 * or of another copy of undici, as its brand is checked when it is written; and `URLSearchParams`, which it takes for
 * a list of chunks. One that can fail by itself is watched.
 */
export function convertBody<T extends Dispatcher.DispatchOptions>(options: T, body: object): T {
  if (body instanceof URLSearchParams) {
    // As fetch does it (https://fetch.spec.whatwg.org/#concept-bodyinit-extract).
    return { ...options, headers: typed(options.headers, FORM_TYPE), body: body.toString() }
  }
  if (isStream(body)) {
    // One of before Node 18 does not tell by what it failed.
    return 'errored' in body
      ? options
      : { ...options, body: new Readable().wrap(body as NodeJS.ReadableStream) }
  }
  if (isIterable(body) && !isReplayable(body)) {
    return { ...options, body: new WatchedBody(body as AsyncIterable<unknown>) }
  }
  if (!isFormData(body) || body instanceof UndiciFormData) return options
  const form = new UndiciFormData()
  for (const [name, value] of body as FormData) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value, value.name)
  }
  return { ...options, body: form }
}

const FORM_TYPE = 'application/x-www-form-urlencoded;charset=UTF-8'

type Headers = Dispatcher.DispatchOptions['headers']

/** With a content type, unless there is one. Headers are not an iterator by now. */
function typed(headers: Headers, type: string): Headers {
  if (headerValues(headers, 'content-type') !== undefined) return headers
  if (Array.isArray(headers)) return [...headers, 'content-type', type]
  return { ...(headers as Record<string, string> | null | undefined), 'content-type': type }
}

function isStream(body: unknown): boolean {
  return hasMethods(body, 'pipe', 'on')
}

function isFormData(body: unknown): boolean {
  return (
    typeof body === 'object' &&
    body !== null &&
    (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === 'FormData' &&
    hasMethods(body, 'append', 'delete', 'get', 'getAll', 'has', 'set')
  )
}

function isIterable(body: unknown): boolean {
  const { [Symbol.iterator]: each, [Symbol.asyncIterator]: eachInTime } = body as Partial<
    Iterable<unknown> & AsyncIterable<unknown>
  >
  return typeof each === 'function' || typeof eachInTime === 'function'
}

function isBlob(body: unknown): boolean {
  if (body instanceof Blob) return true
  if (typeof body !== 'object' || body === null) return false
  const tag = (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag]
  return (tag === 'Blob' || tag === 'File') && (hasMethods(body, 'stream') || hasMethods(body, 'arrayBuffer'))
}

function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    names.every((name) => typeof (value as Record<string, unknown>)[name] === 'function')
  )
}
