import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { Connection, Rig, serve, until } from '../testing/rig.test.support.js'
import { keepIdle } from './idle.js'

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

test('an idle connection is kept beyond what is announced, and closed in the end', async () => {
  const server = createServer({ keepAliveTimeout: 50 }, (_, response) => response.end('ok'))
  // node:http adds a second to what is announced.
  keepIdle(server, 400)
  let passed = 0
  server.on('timeout', () => passed++)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const connection = new Connection((server.address() as AddressInfo).port, GET)
  await until('the announced time has passed', () => passed === 1)
  expect(connection.closed).toBe(false)
  connection.write(GET)
  // Counted anew from each request.
  await until('it has passed again', () => passed === 2 || connection.closed)
  expect(connection.closed).toBe(false)
  await connection.end()
  expect(passed).toBe(3)
  expect(connection.statuses).toEqual([200, 200])
})
