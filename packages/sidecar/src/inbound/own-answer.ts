import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { ErrorResponse } from './error-response.js'

/** Answers for the proxy itself. */
export function respondError(response: ServerResponse, error: ErrorResponse): void {
  const body = bodyOf(error)
  response.writeHead(
    error.status,
    // Spelled out, since a head that could not be written has left its own behind.
    reasonOf(error),
    headersOf(error, body).flat(),
  )
  response.end(body)
}

/** The same as bytes, for where node:http has no response to write it with; the connection ends with it. */
export function errorText(error: ErrorResponse): string {
  const body = bodyOf(error)
  const headers = [...headersOf(error, body), ['connection', 'close'] as const]
  const head = [
    `HTTP/1.1 ${error.status} ${reasonOf(error)}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
  ]
  return `${head.join('\r\n')}\r\n\r\n${body.toString('latin1')}`
}

function bodyOf({ code, message, service }: ErrorResponse): Buffer {
  return Buffer.from(`${JSON.stringify({ error: code, service, message })}\n`)
}

function reasonOf({ status }: ErrorResponse): string {
  return STATUS_CODES[status] ?? ''
}

function headersOf({ code }: ErrorResponse, body: Buffer): [name: string, value: string][] {
  return [
    ['content-type', 'application/json'],
    ['content-length', String(body.length)],
    ['x-fairlead-error', code],
  ]
}
