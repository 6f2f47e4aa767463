import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import {
  createServer as createTcpServer,
  getDefaultAutoSelectFamilyAttemptTimeout,
  setDefaultAutoSelectFamilyAttemptTimeout,
  type AddressInfo,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import type { Instance } from './discovery/resolver.js'
import { FakeResolver, instanceAt } from './testing/index.js'
import { until } from './test-support/until.test.support.js'

// No system resolves it: whatever is reached, is reached by the addresses alone.
const NAME = 'orders.invalid'

/** Servers on one port of several addresses, each of which answers with its own address and the Host it was asked for. */
const servers: (Server | TcpServer)[] = []
let resolver: FakeResolver
let orders: Client

// Node goes on to the next address where the last has not connected within 250 ms; a process that stands still that
// long would go past the one that accepts.
beforeAll(() => {
  const before = getDefaultAutoSelectFamilyAttemptTimeout()
  setDefaultAutoSelectFamilyAttemptTimeout(10_000)
  return () => setDefaultAutoSelectFamilyAttemptTimeout(before)
})

beforeEach(() => {
  resolver = new FakeResolver()
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  orders = createClient('orders', { resolver, logger, retry: false })
})

afterEach(async () => {
  await orders.dispatcher.destroy()
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
})

async function serve(address: string, port = 0): Promise<{ port: number; server: Server }> {
  const server = createServer((request, response) => response.end(`${address} ${request.headers.host ?? ''}`))
  servers.push(server.listen(port, address))
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, server }
}

/** On one port of 127.0.0.1 and 127.0.0.2; what is free on the one is not always free on the other. */
async function serveBoth(): Promise<{ port: number; server: Server }> {
  for (;;) {
    const first = await serve('127.0.0.1')
    try {
      await serve('127.0.0.2', first.port)
      return first
    } catch {
      servers.pop()
    }
  }
}

function at(port: number, addresses: readonly string[]): Instance {
  return instanceAt(`http://${NAME}:${port}`, { addresses })
}

async function ask(): Promise<string> {
  const { body } = await orders.request({ path: '/' })
  return body.text()
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error))),
  )
}

test('connects to the address, and asks for the name', async () => {
  const { port } = await serve('127.0.0.2')
  resolver.snapshot([at(port, ['127.0.0.2'])])
  expect(await ask()).toBe(`127.0.0.2 ${NAME}:${port}`)
})

test.each([
  ['the first of several', ['127.0.0.1', '127.0.0.3']],
  ['the next where one refuses', ['127.0.0.3', '127.0.0.1']],
  ['that of the other family where one refuses', ['::1', '127.0.0.1']],
])('connects to %s', async (_, addresses) => {
  const { port } = await serve('127.0.0.1')
  resolver.snapshot([at(port, addresses)])
  expect(await ask()).toBe(`127.0.0.1 ${NAME}:${port}`)
})

test('refused by all of them, it is refused', async () => {
  resolver.snapshot([at(1, ['127.0.0.3', '127.0.0.2'])])
  // Without retries, the error of the only attempt.
  await expect(ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('TLS goes by the name', async () => {
  let hello = Buffer.alloc(0)
  const server = createTcpServer((socket) => {
    socket.once('data', (data) => {
      hello = data
      socket.destroy()
    })
    socket.on('error', () => undefined)
  })
  servers.push(server.listen(0, '127.0.0.2'))
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  resolver.snapshot([instanceAt(`https://${NAME}:${port}`, { addresses: ['127.0.0.2'] })])
  await expect(ask()).rejects.toThrow()
  // The server name indication of the client hello is not encrypted.
  expect(hello.includes(NAME)).toBe(true)
})

test('a name that leads elsewhere: requests follow, and connections to where it led before end', async () => {
  const { port, server } = await serveBoth()
  resolver.snapshot([at(port, ['127.0.0.1'])])
  expect(await ask()).toBe(`127.0.0.1 ${NAME}:${port}`)
  expect(await connectionsOf(server)).toBe(1)
  resolver.snapshot([at(port, ['127.0.0.2'])])
  await until(() => orders.inspect().endpoints[0]?.requests === 0)
  expect(await ask()).toBe(`127.0.0.2 ${NAME}:${port}`)
  while ((await connectionsOf(server)) > 0) await new Promise((resolve) => setTimeout(resolve, 1))
})

test('an equal set of addresses keeps the connection', async () => {
  const sockets: Socket[] = []
  const { port, server } = await serve('127.0.0.1')
  server.on('connection', (socket: Socket) => sockets.push(socket))
  resolver.snapshot([at(port, ['127.0.0.1', '127.0.0.3'])])
  await ask()
  resolver.snapshot([{ ...at(port, ['127.0.0.3', '127.0.0.1']), weight: 2 }])
  await until(() => orders.inspect().endpoints[0]?.weight === 2)
  await ask()
  expect(sockets).toHaveLength(1)
})

test('two machines behind one name are two endpoints', async () => {
  const { port } = await serveBoth()
  const both = ['127.0.0.1', '127.0.0.2'].map((address) => ({ ...at(port, [address]), key: address }))
  resolver.snapshot(both)
  const answers = new Set<string>()
  while (answers.size < 2) answers.add(await ask())
  expect(answers).toEqual(new Set([`127.0.0.1 ${NAME}:${port}`, `127.0.0.2 ${NAME}:${port}`]))
})
