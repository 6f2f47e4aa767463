import { createServer, maxHeaderSize, type IncomingMessage, type Server, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'
import { brokenAnswer, isAboutRequest, isHttp2, isTimeout, type ParseError } from './broken-request.js'
import { Departures } from './departures.js'
import { InboundConnection, type Serve } from './connection.js'
import { awaitsContinueOnly, connectRejection, EXPECTATION_FAILED } from './head.js'
import { http2Refusal } from './http2-refusal.js'
import { IdleConnections } from './idle.js'
import { answerLog } from './own-answer.js'

/** On the socket itself: a WeakMap is looked up in for each request, and takes three times as long. */
const CONNECTION = Symbol('InboundConnection')

/**
 * A server of `node:http` that reads strictly, keeps the order of what is pipelined, and answers whatever comes: what
 * it cannot serve as well, with a body and `x-fairlead-error`. A request that awaits `100 Continue` is served as any
 * other: to write it is up to the reader of the body. Idle connections end as of `IdleConnections`.
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
    // Ours is an answer with a body.
    requireHostHeader: false,
    // Else the first one would count, and nobody would know of the second.
    joinDuplicateHeaders: true,
    // It would set a timer and clear one for each request.
    keepAliveTimeout: 0,
  })
  // Without a limit, but for the one of bytes: node:http does not refuse more, it forgets them, Content-Length too.
  server.maxHeadersCount = 0
  // Else a client's FIN ends the connection, and whatever is under way on it. Not in the typings, and in every version:
  // `Server` of lib/_http_server.js.
  Object.assign(server, { httpAllowHalfOpen: true })

  const log = answerLog(logger)
  const departures = new Departures(clock)
  const idle = new IdleConnections(clock)
  const connectionOf = (socket: Socket & { [CONNECTION]?: InboundConnection }): InboundConnection => {
    const known = socket[CONNECTION]
    if (known !== undefined) return known
    const connection = new InboundConnection(socket, serve, log, clock)
    socket[CONNECTION] = connection
    departures.watch(socket, connection)
    idle.watch(socket, connection)
    return connection
  }
  server.on('request', (request, response) => connectionOf(request.socket).take(request, response))
  server.on('checkContinue', (request, response) => {
    // node:http finds it anywhere in the value.
    const rejection = awaitsContinueOnly(request) ? undefined : EXPECTATION_FAILED
    connectionOf(request.socket).take(request, response, rejection)
  })
  server.on('checkExpectation', (request, response) => {
    connectionOf(request.socket).take(request, response, EXPECTATION_FAILED)
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
    // In between it would be an answer to what came before.
    else if (isHttp2(error) && connection.unused) connection.broken(answer, http2Refusal())
    else connection.broken(answer)
  })
  return server
}
