import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import type { UpstreamArgument } from './upstream.js'
import { argument, serve } from './serve.js'

const { ports, body } = argument() as UpstreamArgument

// "Length-Prefixed-Message" of gRPC over HTTP/2: not compressed, its length, its bytes.
const PREFIX_BYTES = 5
const message = Buffer.alloc(PREFIX_BYTES + Buffer.byteLength(body))
message.writeUInt32BE(Buffer.byteLength(body), 1)
message.write(body, PREFIX_BYTES)

/** Answers each unary call with the same message: by node:http2 itself, as a server of grpc-js takes twice the time. */
function answer(stream: ServerHttp2Stream): void {
  // A stream that ends in the middle is that of a subject that was stopped.
  stream.on('error', () => undefined)
  stream.once('end', () => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
    stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
    stream.end(message)
  })
  stream.resume()
}

async function listen(): Promise<Http2Server> {
  const server = createServer()
  server.on('stream', answer)
  server.listen(0, '127.0.0.1', 1024)
  await once(server, 'listening')
  return server
}

const servers = await Promise.all(Array.from({ length: ports }, listen))

serve(() => servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`))
