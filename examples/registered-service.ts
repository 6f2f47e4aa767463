// A service that puts itself into Consul, and takes itself out without a request lost; Consul is where
// CONSUL_HTTP_ADDR says.
//
//   node examples/dist/registered-service.js --port 8081     then kill -TERM it, or press Ctrl-C

import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { gracefulShutdown, register } from '@fairlead/sdk'

const { values } = parseArgs({ options: { port: { type: 'string' }, weight: { type: 'string' } } })
const { port = '8081', weight = '1' } = values

const server = createServer((request, response) => {
  response.setHeader('content-type', 'application/json').end(JSON.stringify({ path: request.url, port }))
})

server.listen(Number(port), () => {
  // By default with a heartbeat of this process; `checks` has others.
  const registration = register({
    name: 'orders',
    port: Number(port),
    weights: { passing: Number(weight) },
    meta: { version: '1' },
  })
  gracefulShutdown(server, {
    registration,
    signals: ['SIGTERM', 'SIGINT'],
    onDrained: (report) => console.log('ends', report),
  })
})
