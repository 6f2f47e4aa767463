import { connect, createServer } from 'node:net'
import { argument } from './serve.js'
import { servePort, type PeerArgument } from './peer.js'

// The ceiling for a proxy in Node: bytes in, bytes out, and no idea of HTTP. It balances connections.
const { origins } = argument() as PeerArgument
const ports = origins.map((origin) => Number(new URL(origin).port))
let next = 0

const server = createServer({ noDelay: true }, (socket) => {
  const port = ports[next++ % ports.length]
  if (port === undefined) throw new Error('there is no upstream')
  const upstream = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => upstream.destroy())
  upstream.on('error', () => socket.destroy())
  socket.pipe(upstream).pipe(socket)
})
await servePort(server)
