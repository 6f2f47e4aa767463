import { once } from 'node:events'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client } from '../index.js'

const MIB = 1024 * 1024
const quiet = { info: ignore, warn: ignore, error: ignore }

let server: Server | undefined
let client: Client | undefined
afterEach(async () => {
  await client?.dispatcher.destroy()
  await new Promise((resolve) => server?.close(resolve))
})

/** Answers a GET; of anything else with 413 when a part has come, and closes with the rest unread, which is a reset. */
async function serveEarly(): Promise<string> {
  const answer = (socket: Socket): void => {
    let read = 0
    socket.on('error', ignore)
    socket.on('data', (chunk) => {
      if (chunk.subarray(0, 4).toString() === 'GET ') {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        return
      }
      read += chunk.length
      if (read < 100_000) return
      socket.removeAllListeners('data')
      socket.pause()
      const head = 'HTTP/1.1 413 Too much\r\nContent-Length: 4\r\nConnection: close\r\n\r\n'
      socket.write(`${head}much`, () => socket.destroy())
    })
  }
  server = createServer(answer).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const BODIES: readonly (readonly [name: string, make: () => Buffer | AsyncIterable<Buffer>])[] = [
  ['a Buffer', () => Buffer.alloc(16 * MIB)],
  [
    'an iterator',
    async function* () {
      for (let sent = 0; sent < 16; sent++) {
        await turn()
        yield Buffer.alloc(MIB)
      }
    },
  ],
]

describe.each(BODIES)(
  'an answer before the end of an upload of %s arrives, though the connection is reset',
  (_, make) => {
    test.each([
      ['a connection that is opened for it', 0],
      ['one that has carried a GET', 1],
    ])('on %s', async (_, gets) => {
      const orders = createClient('orders', { resolver: fixedResolver([await serveEarly()]), logger: quiet })
      client = orders
      for (let sent = 0; sent < gets; sent++) {
        const { body } = await orders.request({ path: '/' })
        await body.dump()
      }
      const { statusCode, body } = await orders.request({ path: '/', method: 'POST', body: make() as Buffer })
      expect([statusCode, await body.text()]).toEqual([413, 'much'])
    })
  },
)

function ignore(): void {}
