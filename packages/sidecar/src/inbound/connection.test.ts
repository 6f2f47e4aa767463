import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import { Connection, until } from '../testing/rig.test.support.js'
import { listen } from './listening.test.support.js'

const GET = 'GET / HTTP/1.1\r\nHost: orders\r\n\r\n'

test('a request behind a response that says close is not served, and what counts it is told that it is over', async () => {
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

test('those who respond hear of the end of the connection, unless their response was complete', async () => {
  const served: ServerResponse[] = []
  const gone = new Set<string | undefined>()
  const { port } = await listen((request, response) => {
    served.push(response)
    return { clientGone: () => void gone.add(request.url) }
  })
  const connection = new Connection(
    port,
    ['/1', '/2', '/3', '/4'].map((path) => GET.replace('/', path)).join(''),
  )
  await until('all are served', () => served.length === 4)
  // Complete before its turn, and so not written when the connection closes. The second has it then.
  served[2]?.end()
  served[0]?.end()
  await until('the first is answered', () => connection.statuses.length === 1)
  expect(served.map(({ socket }) => socket !== null)).toEqual([false, true, false, false])
  connection.socket.resetAndDestroy()
  await until('three have heard', () => gone.size === 3)
  expect(gone).toEqual(new Set(['/2', '/3', '/4']))
})

describe('the limit for a head that has begun while a request has its turn', () => {
  const POST = 'POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 2\r\n\r\nhi'

  /** Three requests, of which the last has come in part only when the limit passes. */
  async function overdue(then: string): Promise<{ connection: Connection; served: ServerResponse[] }> {
    const served: ServerResponse[] = []
    const { server, port } = await listen((_, response) => void served.push(response), {
      headersTimeout: 200,
      connectionsCheckingInterval: 50,
    })
    let passed = 0
    server.prependListener('clientError', () => passed++)
    const connection = new Connection(port, POST + POST + POST.slice(0, 20))
    await until('the first is served', () => served.length === 1)
    connection.write(then)
    await until('the limit has passed', () => passed === 1)
    expect(connection.received).toBe('')
    served[0]?.end()
    await until('the second is served', () => served.length === 2)
    served[1]?.end()
    return { connection, served }
  }

  test('does not apply to what has come and is not read yet', async () => {
    const { connection, served } = await overdue(POST.slice(20))
    await until('the third is served', () => served.length === 3)
    served[2]?.end()
    await until('it is answered', () => connection.statuses.length === 3)
    // The limit counts from when it is read on, and is nothing to a connection that is idle by then.
    connection.write(POST)
    await until('a fourth is served', () => served.length === 4)
    served[3]?.end()
    await until('it is answered', () => connection.statuses.length === 4)
    expect(connection.statuses).toEqual([200, 200, 200, 200])
  })

  test('counts from when it is read on', async () => {
    const { connection } = await overdue('')
    await connection.end()
    expect(connection.statuses).toEqual([200, 200, 408])
  })
})
