import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { argument, serve } from './serve.js'

export interface UpstreamArgument {
  readonly ports: number
  readonly body: string
}

/**
 * Answers every request with the same bytes: the cheapest upstream there is in Node, since upstream and load share
 * what the subject leaves of the machine. It knows GET only: a request ends where its head ends.
 */
async function listen(response: (requests: number) => Buffer): Promise<number> {
  const server = createServer({ noDelay: true }, (socket) => answer(socket, response))
  server.listen(0, '127.0.0.1', 1024)
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

function answer(socket: Socket, response: (requests: number) => Buffer): void {
  // How much of the end of a head has come: a head may be cut anywhere.
  let matched = 0
  socket.on('data', (chunk: Buffer) => {
    let requests = 0
    for (const byte of chunk) {
      if (byte === (matched % 2 === 0 ? 13 : 10)) matched++
      else matched = byte === 13 ? 1 : 0
      if (matched === 4) {
        matched = 0
        requests++
      }
    }
    if (requests > 0) socket.write(response(requests))
  })
  // A connection that ends in the middle is that of a subject that was stopped.
  socket.on('error', () => socket.destroy())
}

const { ports, body } = argument() as UpstreamArgument
// The headers of Node's own server, so that parsing them takes what it takes.
const one = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Date: ${new Date().toUTCString()}`,
    'Connection: keep-alive',
    '',
    body,
  ].join('\r\n'),
)
const response = (requests: number): Buffer =>
  requests === 1 ? one : Buffer.concat(Array.from({ length: requests }, () => one))
const listening = await Promise.all(Array.from({ length: ports }, () => listen(response)))

serve(() => listening.map((port) => `http://127.0.0.1:${port}`))
