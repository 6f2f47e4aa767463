import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { serve } from './serve.js'

export interface PeerArgument {
  readonly origins: readonly string[]
}

/** Listens on a free port and tells the parent which. */
export async function servePort(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1', 1024)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  serve(() => port)
}
