// The `orders` service that the demo balances over, in Node.
//
//   node examples/dist/orders-service/server.js --name orders-1 --port 8081

import { createServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { reportLoad } from '@fairlead/sdk'

const { values } = parseArgs({ options: { name: { type: 'string' }, port: { type: 'string' } } })
const { name = 'orders', port = '8081' } = values
let stopping = false

const server = createServer((request, response) => {
  const order = /^\/v1\/orders\/(\w+)$/.exec(request.url ?? '')?.[1]
  const answer = (status: number, body: object): void => {
    // A client that keeps its connection would keep a stopping server from its end.
    if (stopping) response.setHeader('connection', 'close')
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }
  if (request.url === '/health') answer(200, { status: 'ok' })
  else if (order === undefined) answer(404, { error: 'not found' })
  else void work().then(() => answer(200, { order, instance: name }))
})

// For clients that balance by it, such as with `orca_weighted_round_robin`.
reportLoad(server)
server.listen(Number(port), '127.0.0.1', () => console.log(`${name} listens on 127.0.0.1:${port}`))

// Finishes what it has begun, and takes nothing new.
process.on('SIGTERM', () => {
  stopping = true
  server.close()
})

/** What a look into a database takes: 10 to 20 ms. */
function work(): Promise<void> {
  return delay(10 + Math.random() * 10)
}
