import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '@fairlead/sdk'
import type { ErrorResponse } from './error-response.js'

/** Logs an error response. */
export type ErrorLog = (error: ErrorResponse, peer: Socket) => void

export function errorLog(logger: Logger): ErrorLog {
  return ({ service, status, code, message }, { remoteAddress: peer }) => {
    const text = service === undefined ? `request rejected: ${message}` : message
    logger.warn({ service, status, code, peer }, text)
  }
}

/** Writes an error response, and logs it: one without a log line could not be explained. */
export function respondError(response: ServerResponse, error: ErrorResponse, log: ErrorLog): void {
  log(error, response.req.socket)
  const body = bodyOf(error)
  response.writeHead(
    error.status,
    // Explicit, as a head that could not be written leaves its reason phrase behind.
    reasonOf(error),
    headersOf(error, body).flat(),
  )
  response.end(body)
}

/** The same as text, for where node:http has no response object; the connection ends with it. */
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
