import { connect, type ClientHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { errors } from 'undici'
import type { AbortConnect, Connector } from './connector.js'

/** What a connection has turned out to speak. */
export type Spoken =
  | { readonly protocol: 'http2'; readonly session: ClientHttp2Session; readonly socket: Socket }
  /** By ALPN the endpoint wants HTTP/1.1. */
  | { readonly protocol: 'http1'; readonly socket: Socket }

// Of one stream: what a fast sender may have on its way, so much per round trip, and what a paused reader costs us. Four
// times node's own, as undici has it, since 64 KiB a round trip are 6 MB/s over 10 ms. Node gives the connection's window
// back as soon as bytes arrive, so that a paused stream holds no other one up.
const STREAM_WINDOW_BYTES = 262_144
const CONNECTION_WINDOW_BYTES = 1_048_576

/**
 * A connector that is done when HTTP/2 is spoken: when the SETTINGS of the endpoint have come. What answers something else
 * fails as a connection, with nothing sent on it, and how many streams it takes is known from the first one. gRPC calls a
 * connection ready then, too (grpc-go, `WaitForReady`; a round trip more, once a connection).
 *
 * @param onSpoken Hears what it speaks, before the callback of the connector.
 */
export function http2Connector(
  connector: Connector,
  maxHeaderBytes: number,
  onSpoken: (spoken: Spoken) => void,
): Connector {
  return (target, callback) => {
    let session: ClientHttp2Session | undefined
    const abort = connector(target, (...result) => {
      if (result[0] !== null) {
        callback(...result)
        return
      }
      const [, socket] = result
      if (target.protocol === 'https:' && (socket as TLSSocket).alpnProtocol !== 'h2') {
        onSpoken({ protocol: 'http1', socket })
        callback(null, socket)
        return
      }
      const made = open(`${target.protocol}//${String(target.host)}`, socket, maxHeaderBytes)
      session = made
      const failed = (error?: Error): void => {
        made.off('error', failed).off('close', failed)
        callback(noHttp2(error), null)
      }
      made.once('error', failed).once('close', failed)
      made.once('remoteSettings', () => {
        made.off('error', failed).off('close', failed)
        onSpoken({ protocol: 'http2', session: made, socket })
        callback(null, socket)
      })
    })
    const cancel: AbortConnect = (reason) => {
      session?.destroy()
      abort(reason)
    }
    return cancel
  }
}

function open(authority: string, socket: Socket, maxHeaderBytes: number): ClientHttp2Session {
  const session = connect(authority, {
    createConnection: () => socket,
    settings: {
      enablePush: false,
      initialWindowSize: STREAM_WINDOW_BYTES,
      // RFC 9113, 6.5.2 counts 32 bytes more for each field, and node resets what is larger: by our own limit, which
      // counts as HTTP/1.1 does, such a response has an error that says so.
      maxHeaderListSize: maxHeaderBytes + 32 * MAX_FIELDS,
    },
    maxHeaderListPairs: MAX_FIELDS,
  })
  session.on('error', () => undefined)
  session.once('connect', () => {
    // It would throw, with no one to catch it.
    if (!session.destroyed) session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
  })
  return session
}

// Node's own limit for HTTP/1.1 (`maxHeadersCount`).
const MAX_FIELDS = 2000

function noHttp2(error: Error | undefined): Error {
  const why = error === undefined ? 'it ended before its SETTINGS came' : error.message
  return new errors.SocketError(`the connection does not speak HTTP/2: ${why} (option connections.protocol)`)
}
