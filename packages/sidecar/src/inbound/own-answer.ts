import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '@fairlead/sdk'
import type { ErrorResponse } from './error-response.js'

/** Writes an answer of our own to the log. */
export type AnswerLog = (answer: ErrorResponse, peer: Socket) => void

export function answerLog(logger: Logger): AnswerLog {
  return ({ service, status, code, message }, { remoteAddress: peer }) => {
    const text = service === undefined ? `request rejected: ${message}` : message
    logger.warn({ service, status, code, peer }, text)
  }
}

/** Answers for the proxy itself, and says so in the log: an answer without a line is one that nobody can explain. */
export function respondError(response: ServerResponse, error: ErrorResponse, log: AnswerLog): void {
  log(error, response.req.socket)
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
