import { STATUS_CODES } from 'node:http'

/** What one run of a case has shown to the handler, the caller and the server, and what was left uncaught. */
export interface Trace {
  /** The callbacks of the handler, in their order; data that came in pieces is one. */
  handler: string[]
  /** What the case itself has noted: settled values, errors, ends of streams. */
  caller: string[]
  /** Requests as the server saw them, in the order of their arrival. */
  server: string[]
  /** Uncaught exceptions and rejections. */
  uncaught: string[]
  /** Did `close()` resolve after it? */
  closed: string
}

/** Codes that say one thing, that the connection is gone; which one it is decides the kernel. */
const GONE = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'ECONNABORTED'])

/** An error without what differs from run to run. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return `not an error: ${String(error)}`
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  if (typeof code === 'string' && GONE.has(code))
    return `connection lost (${error.name})`.replace('SocketError', 'Error')
  const name = typeof code === 'string' ? `${error.name} ${code}` : error.name
  const because = cause instanceof Error ? ` <- ${errorText(cause)}` : ''
  return `${name}: ${normal(error.message)}${because}`
}

export function normal(text: string): string {
  return text
    .replaceAll(/127\.0\.0\.1:\d+/g, 'SERVER')
    .replaceAll(/http:\/\/(?:SERVER|orders)(?![\w ])/g, 'ORIGIN')
    .replaceAll(/-{4,}[\w-]*formdata-undici-\d+/g, 'BOUNDARY')
}

export function headersText(headers: Readonly<Record<string, unknown>>): string {
  return Object.entries(headers)
    .filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name))
    .map(([name, value]) => `${name}=${String(value)}`)
    .sort()
    .join(' ')
}

export function statusText(statusCode: number, message: unknown): string {
  return message === STATUS_CODES[statusCode] ? String(statusCode) : `${statusCode} ${String(message)}`
}

/** Adds to the last line where that one is of the same kind. */
export function appendTo(lines: string[], kind: string, text: string): void {
  const last = lines.at(-1)
  if (last?.startsWith(`${kind} `) === true) lines[lines.length - 1] = last + text
  else lines.push(`${kind} ${text}`)
}
