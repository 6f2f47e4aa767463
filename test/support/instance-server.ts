import { createServer, type Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { say } from './say.js'

/** A server that says on standard output which requests it has seen, and answers after `delayMs` who it is. */
export function createInstanceServer(instance: string, delayMs: number): Server {
  return createServer((request, response) => {
    const { method = '', headers } = request
    const id = headers['x-request-id']
    // First of all: what it has seen survives its end.
    if (id !== undefined) say(`seen ${method} ${String(id)}`)
    request.resume()
    request.on('end', () => {
      void delay(delayMs).then(() => {
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ instance, method, id }))
      })
    })
  })
}

/** Listens on this port of 127.0.0.1, 0 for any, and says which one it is. */
export function listen(server: Server, port: number, onListening: (port: number) => void): void {
  server.on('listening', () => {
    const address = server.address()
    if (address === null || typeof address !== 'object') return
    // Last, as its reader may send a signal at once.
    onListening(address.port)
    say(`listening ${address.port}`)
  })
  // The port of an instance that has ended lies where the kernel takes outgoing connections from, so it may be taken
  // for a moment: come again.
  server.on('error', () => void delay(50).then(() => server.listen(port, '127.0.0.1')))
  server.listen(port, '127.0.0.1')
}
