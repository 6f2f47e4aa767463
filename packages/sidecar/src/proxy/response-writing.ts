import { STATUS_CODES, type ServerResponse } from 'node:http'

/** Where node:http keeps the head until it is sent. */
interface Headed {
  _header: string | null
  _headerSent: boolean
}

/**
 * Writes head and body in one system call. A body passed to `end` is written with the head and an empty string by
 * `writev`, which costs this proxy a tenth of its requests a second; a head that ends in the body is a single string.
 * Both are one byte a character, and the length is the one that the head announces.
 */
export function joinHead(response: ServerResponse, body: Buffer): void {
  const headed = response as unknown as Headed
  if (typeof headed._header === 'string' && !headed._headerSent) headed._header += body.toString('latin1')
  else response.write(body)
}

/** Closes the connection so that an incomplete body cannot be taken for a complete one. */
export function abortResponse(response: ServerResponse): void {
  // In HTTP/1.0 a body may end with its connection (RFC 9112, 6.3): there only a reset tells them apart.
  if (response.req.httpVersionMinor === 0 && response.socket !== null) response.socket.resetAndDestroy()
  // A queued response of a pipeline has nothing written yet: the connection ends in its place, without a reset that would
  // destroy the responses before it.
  else response.destroy()
}

/** undici decodes the reason phrase as UTF-8; node:http writes one byte a character, and rejects other characters. */
export function reasonBytes(reason: string, status: number): string {
  if (/^[ -~]*$/.test(reason)) return reason
  const bytes = Buffer.from(reason).toString('latin1')
  // llhttp accepts control characters. The phrase has no meaning beyond the status (RFC 9112, 4).
  return /^[\t -~\x80-\xff]*$/.test(bytes) ? bytes : (STATUS_CODES[status] ?? '')
}

/** Names and values in turn, as pairs. */
export function pairs(flat: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let index = 0; index + 1 < flat.length; index += 2)
    list.push([flat[index] ?? '', flat[index + 1] ?? ''])
  return list
}
