import { once } from 'node:events'
import type { ServerOptions, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ManualClock } from '@fairlead/sdk/testing'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Connection, Rig, serve, until } from '../testing/rig.test.support.js'
import type { Serve } from './responder.js'
import { listen } from './listening.test.support.js'

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

interface Opened {
  readonly connection: Connection
  readonly clock: ManualClock
  /** The server's ends. */
  readonly sockets: readonly Socket[]
}

describe('a connection', () => {
  /** One that has sent a request. */
  async function open(serving: Serve, options: ServerOptions = {}): Promise<Opened> {
    const clock = new ManualClock()
    const { port, sockets } = await listen(serving, options, { clock })
    return { connection: new Connection(port, GET), clock, sockets }
  }

  test('that is idle is kept beyond what is announced, counted anew from each request, and closed in the end', async () => {
    const { connection, clock } = await open((_, response) => void response.end('ok'))
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
    const { connection, clock } = await open((_, response) => void served.push(response))
    await until('it is served', () => served.length === 1)
    await clock.advance(200_000)
    expect(connection.closed).toBe(false)
    served[0]?.end('ok')
    await until('it is answered', () => connection.statuses.length === 1)
  })

  test('on which half a head has come is left to node:http, which answers it with 408', async () => {
    const limits = { headersTimeout: 500, connectionsCheckingInterval: 50 }
    const { connection, clock, sockets } = await open((_, response) => void response.end('ok'), limits)
    await until('it is answered', () => connection.statuses.length === 1)
    connection.write(GET.slice(0, 10))
    await until('half a head is there', () => sockets[0]?.bytesRead === GET.length + 10)
    // The longest that it may take: headersTimeout and connectionsCheckingInterval of node:http.
    await clock.advance(90_000)
    await connection.end()
    expect(connection.statuses).toEqual([200, 408])
  })
})
