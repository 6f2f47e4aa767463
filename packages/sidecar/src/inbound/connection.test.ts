import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, type Clock } from '@fairlead/sdk'
import { onTestFinished, test, expect } from 'vitest'
import { Connection, quiet, until } from '../testing/rig.test.support.js'
import type { Serve } from './connection.js'
import { createInboundServer } from './server.js'

const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'

/** An inbound server whose requests a test answers itself. */
async function listen(serve: Serve, clock: Clock = systemClock): Promise<{ server: Server; port: number }> {
  const server = createInboundServer(serve, quiet, clock)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

test('a request behind a response that says close is not served, and whoever counts it hears that it is over', async () => {
  const served: ServerResponse[] = []
  const { server, port } = await listen((_, response) => void served.push(response))
  const over: ServerResponse[] = []
  const received: ServerResponse[] = []
  server.prependListener('request', (_, response) => {
    received.push(response)
    response.on('close', () => over.push(response))
  })
  const connection = new Connection(port, GET + GET)
  await until('both are served', () => served.length === 2)
  const [first, second] = served
  // As a drain has it.
  if (second !== undefined) second.shouldKeepAlive = false
  second?.end()
  connection.write(GET)
  await until('the third is received', () => received.length === 3)
  expect(served).toHaveLength(2)
  expect(over).toEqual(received.slice(2))
  first?.end()
  await connection.end()
  expect(connection.statuses).toEqual([200, 200])
})
