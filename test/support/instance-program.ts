import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

// An instance as a process of its own, to be killed: instance-program.js <name> <port> <delay in ms>.

const [name = '', port = '0', delayMs = '0'] = process.argv.slice(2)

const server = createServer((request, response) => {
  const { method = '', headers } = request
  const id = headers['x-request-id']
  // First of all, and synchronous as standard output is a pipe: what it has seen survives its end.
  if (id !== undefined) console.log(`seen ${method} ${String(id)}`)
  request.resume()
  request.on('end', () => {
    void delay(Number(delayMs)).then(() => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ instance: name, method, id }))
    })
  })
})

server.on('listening', () => {
  const address = server.address()
  if (address !== null && typeof address === 'object') console.log(`listening ${address.port}`)
})
// The port of a killed instance lies where the kernel takes outgoing connections from, so it may be taken for a
// moment: come again.
server.on('error', () => void delay(50).then(listen))
listen()

function listen(): void {
  server.listen(Number(port), '127.0.0.1')
}
