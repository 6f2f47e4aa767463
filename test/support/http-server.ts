import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An HTTP server in the test's own process. */
export interface HttpServer extends AsyncDisposable {
  readonly port: number
  readonly origin: string
  /** Requests so far. */
  readonly requests: number
}

/**
 * @param listener Default: 200 with a body of two bytes.
 * @param port Default: one that is free.
 */
export async function startHttpServer(
  listener: RequestListener = answerOk,
  host = '127.0.0.1',
  port = 0,
): Promise<HttpServer> {
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    listener(request, response)
  })
  server.listen(port, host)
  await once(server, 'listening')
  const { port: bound, address, family } = server.address() as AddressInfo
  return {
    port: bound,
    origin: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    get requests() {
      return requests
    },
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

function answerOk(request: IncomingMessage, response: ServerResponse): void {
  request.resume()
  response.end('ok')
}
