import { createServer, maxHeaderSize, type IncomingMessage, type Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'
import { brokenAnswer, isAboutRequest, isHttp2, isTimeout, type ParseError } from './broken-request.js'
import { ConnectionWatch } from './connection-watch.js'
import { InboundConnection } from './connection.js'
import { awaitsContinueOnly, connectRejection, EXPECTATION_FAILED } from './head.js'
import { http2Rejection } from './http2-rejection.js'
import { errorLog } from './error-writer.js'
import type { Serve } from './responder.js'

/** A property of the socket, as it is read for each request: a WeakMap takes three times as long. */
const CONNECTION = Symbol('InboundConnection')

/**
 * A server of `node:http` that parses strictly, keeps the order of pipelined requests, and answers everything it
 * receives: what it cannot serve too, with a body and `x-fairlead-error`. A request that awaits `100 Continue` is served
 * as any other; writing it is up to the reader of the body. `ConnectionWatch` closes idle connections.
 */
export function createInboundServer(
  serve: Serve,
  logger: Logger,
  clock: Clock,
  options: Omit<ServerOptions, 'keepAliveTimeout'> = {},
): Server {
  const server = createServer({
    ...options,
    insecureHTTPParser: false,
    // Answered by us instead, with a body.
    requireHostHeader: false,
    // Otherwise the first would be used, and the second would go unnoticed.
    joinDuplicateHeaders: true,
    // It would set and clear a timer for each request.
    keepAliveTimeout: 0,
  })
  // The limit of bytes is enough: node:http does not reject headers above this one, it drops them, Content-Length too.
  server.maxHeadersCount = 0
  // Otherwise a client's FIN ends the connection and its pending responses. Not in the typings, and in every version:
  // `Server` of lib/_http_server.js.
  Object.assign(server, { httpAllowHalfOpen: true })

  const log = errorLog(logger)
  const watch = new ConnectionWatch(clock)
  const connectionOf = (socket: Socket & { [CONNECTION]?: InboundConnection }): InboundConnection => {
    const known = socket[CONNECTION]
    if (known !== undefined) return known
    const connection = new InboundConnection(socket, serve, log, clock)
    socket[CONNECTION] = connection
    watch.add(socket, connection)
    return connection
  }
  server.on('request', (request, response) => connectionOf(request.socket).accept(request, response))
  server.on('checkContinue', (request, response) => {
    // node:http matches it anywhere in the value.
    const rejection = awaitsContinueOnly(request) ? undefined : EXPECTATION_FAILED
    connectionOf(request.socket).accept(request, response, rejection)
  })
  server.on('checkExpectation', (request, response) => {
    connectionOf(request.socket).accept(request, response, EXPECTATION_FAILED)
  })
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    connectionOf(socket).detached(connectRejection(request.url))
  })
  server.on('clientError', (error: ParseError, socket: Socket) => {
    if (!isAboutRequest(error)) {
      socket.destroy(error)
      return
    }
    const answer = brokenAnswer(error, options.maxHeaderSize ?? maxHeaderSize)
    const connection = connectionOf(socket)
    if (isTimeout(error)) connection.timedOut(answer, server.headersTimeout)
    // After a request it would be read as the response to that.
    else if (isHttp2(error) && connection.unused) connection.broken(answer, http2Rejection())
    else connection.broken(answer)
  })
  return server
}
