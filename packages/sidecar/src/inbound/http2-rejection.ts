import { constants } from 'node:http2'
import { NO_HTTP2 } from './broken-request.js'

const { NGHTTP2_FLAG_NONE, NGHTTP2_HTTP_1_1_REQUIRED } = constants

// RFC 9113, 6.5 and 6.8.
const SETTINGS = 4
const GOAWAY = 7

/**
 * The response to the preface of HTTP/2, in frames, as its client would report anything else as a broken server: our own
 * preface, and GOAWAY: no stream has been processed, so that each may be retried; HTTP/1.1 is required; and the reason,
 * which clients show. RFC 9113, 3.4, 6.8, 7.
 */
export function http2Rejection(): Buffer {
  const reason = Buffer.from(`${NO_HTTP2} (x-fairlead-error: HTTP_VERSION_NOT_SUPPORTED)`)
  const goaway = Buffer.alloc(8)
  goaway.writeUInt32BE(NGHTTP2_HTTP_1_1_REQUIRED, 4)
  return Buffer.concat([frame(SETTINGS, Buffer.alloc(0)), frame(GOAWAY, Buffer.concat([goaway, reason]))])
}

/** RFC 9113, 4.1: on stream 0, of the connection. */
function frame(type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(NGHTTP2_FLAG_NONE, 4)
  return Buffer.concat([head, payload])
}
