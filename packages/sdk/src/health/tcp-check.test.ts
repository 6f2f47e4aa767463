import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { afterwards, serve } from '../client.test.support.js'
import { instanceAt } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { tcpConnector } from '../transport/connector.js'
import { checkOnce, REFUSED } from './checks.test.support.js'
import type { CheckResult } from './health-check.js'
import { tcpCheck } from './tcp-check.js'

const check = tcpCheck(tcpConnector({}))

async function listen(): Promise<{ origin: string; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined).resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

test('what accepts a connection is healthy, and has it closed at once', async () => {
  const { origin, sockets } = await listen()
  expect(await checkOnce(check, origin)).toEqual({ kind: 'healthy' })
  await until(() => sockets.length === 1 && sockets[0]?.destroyed === true)
  expect(sockets[0]?.bytesRead).toBe(0)
})

test('what refuses one is not', async () => {
  expect(await checkOnce(check, REFUSED)).toEqual({
    kind: 'unreachable',
    why: 'connect ECONNREFUSED 127.0.0.1:1',
  })
})

test('over TLS it takes a handshake', async () => {
  const origin = await serve((_request, response) => response.end())
  expect(await checkOnce(check, origin.replace('http:', 'https:'))).toMatchObject({ kind: 'unreachable' })
})

test('of one that connects at once, and of a machine that has no more to give', async () => {
  const { origin } = await listen()
  const exhausted = Object.assign(new Error('connect EADDRNOTAVAIL'), { code: 'EADDRNOTAVAIL' })
  const without = tcpCheck(() => (_target, callback) => {
    callback(exhausted, null)
    return () => undefined
  })
  expect(await checkOnce(without, origin)).toEqual({ kind: 'unknown' })
})

test('cancelled, its connection ends', () => {
  const found: CheckResult[] = []
  let reason: Error | undefined
  const slow = tcpCheck(() => () => (error) => (reason = error))
  slow(instanceAt(REFUSED), (result) => void found.push(result))()
  expect([found, reason]).toMatchObject([[], { code: 'UND_ERR_ABORTED' }])
})
