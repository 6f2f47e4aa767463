import { once } from 'node:events'
import type { ServerOptions, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { ManualClock } from '@fairlead/sdk/testing'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Connection, quiet, Rig, serve, until } from '../testing/rig.test.support.js'
import type { Serve } from './connection.js'
import { createInboundServer } from './server.js'

const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'

test('an application that heeds Keep-Alive has left before a drain closes its idle connection', async () => {
  const rig = await Rig.start([await serve((_, response) => response.end('ok'))], { drainTimeoutMs: 60_000 })
  const application = new Agent({ connections: 1 })
  onTestFinished(() => application.destroy())
  const { body, headers } = await request(rig.sidecar.address, {
    dispatcher: application,
    headers: { host: 'orders' },
  })
  await body.text()
  expect(headers['keep-alive']).toBe('timeout=4')
  const leaving = once(application, 'disconnect')
  const stopped = rig.sidecar.stop()
  const [, , error] = (await leaving) as [unknown, unknown, Error]
  // By itself; had the sidecar closed it, it would say "other side closed".
  expect(error.message).toContain('idle timeout')
  expect(await stopped).toBe(true)
})

describe('a connection', () => {
  async function listen(
    serving: Serve,
    options: ServerOptions = {},
  ): Promise<{ connection: Connection; clock: ManualClock }> {
    const clock = new ManualClock()
    const server = createInboundServer(serving, quiet, clock, options)
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return { connection: new Connection((server.address() as AddressInfo).port, GET), clock }
  }

  test('that is idle is kept beyond what is announced, counted anew from each request, and closed in the end', async () => {
    const { connection, clock } = await listen((_, response) => void response.end('ok'))
    for (const answers of [1, 2]) {
      await until('it is answered', () => connection.statuses.length === answers && clock.pending > 0)
      await clock.advance(98_000)
      expect(connection.closed).toBe(false)
      if (answers === 1) connection.write(GET)
    }
    await clock.advance(3000)
    await connection.end()
    expect(connection.statuses).toEqual([200, 200])
    expect(connection.received).toContain('Keep-Alive: timeout=4\r\n')
    expect(clock.pending).toBe(0)
  })

  test('that is owed a response is not idle, however long that takes', async () => {
    const served: ServerResponse[] = []
    const { connection, clock } = await listen((_, response) => void served.push(response))
    await until('it is served', () => served.length === 1)
    await clock.advance(200_000)
    expect(connection.closed).toBe(false)
    served[0]?.end('ok')
    await until('it is answered', () => connection.statuses.length === 1)
  })

  test('on which half a head has come is answered with 408, by node:http', async () => {
    const limits = { headersTimeout: 200, connectionsCheckingInterval: 50 }
    const { connection } = await listen((_, response) => void response.end('ok'), limits)
    await until('it is answered', () => connection.statuses.length === 1)
    connection.write(GET.slice(0, 10))
    await connection.end()
    expect(connection.statuses).toEqual([200, 408])
  })
})
