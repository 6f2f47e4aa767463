import { once } from 'node:events'
import type { Server, ServerOptions } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { systemClock, type Clock, type Logger } from '@fairlead/sdk'
import { onTestFinished } from 'vitest'
import { quiet } from '../testing/rig.test.support.js'
import type { Serve } from './responder.js'
import { createInboundServer } from './server.js'

/** An inbound server that listens. */
export interface Listening {
  readonly server: Server
  readonly port: number
  /** Its ends of all connections that it ever accepted. */
  readonly sockets: readonly Socket[]
}

/** Starts an inbound server for the time of a test, which answers its requests itself. */
export async function listen(
  serve: Serve,
  options: Omit<ServerOptions, 'keepAliveTimeout'> = {},
  { logger = quiet, clock = systemClock }: { logger?: Logger; clock?: Clock } = {},
): Promise<Listening> {
  const server = createInboundServer(serve, logger, clock, options)
  const sockets: Socket[] = []
  server.on('connection', (socket: Socket) => sockets.push(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port, sockets }
}
