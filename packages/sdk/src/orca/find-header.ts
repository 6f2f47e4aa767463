import { LOAD_HEADER } from './parse.js'

const NAME = Buffer.from(LOAD_HEADER)
// What a letter has more than its capital.
const SMALL = 0x20

/**
 * The value of the response header `endpoint-load-metrics` among raw headers, names and values in turn; the first, as
 * in Envoy. Makes a string of nothing else: nearly every name is told apart by its length.
 */
export function loadReportIn(headers: readonly Buffer[]): string | undefined {
  for (let place = 0; place + 1 < headers.length; place += 2) {
    const name = headers[place]
    if (name?.length === NAME.length && isLoadHeader(name)) return headers[place + 1]?.toString('latin1')
  }
  return undefined
}

function isLoadHeader(name: Buffer): boolean {
  for (let at = 0; at < NAME.length; at++) {
    // Of a field name's characters (RFC 9110, 5.6.2) only the capital of a letter and `\r` for `-` become these by it.
    if (((name[at] ?? 0) | SMALL) !== NAME[at]) return false
  }
  return true
}
