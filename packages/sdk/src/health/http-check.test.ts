import type { IncomingMessage, RequestListener } from 'node:http'
import { expect, test } from 'vitest'
import { serve, takeSilently } from '../client.test.support.js'
import { systemClock } from '../clock.js'
import { tcpConnector } from '../transport/connector.js'
import { http1 } from '../transport/http1.js'
import { until } from '../test-support/until.test.support.js'
import { instanceAt } from '../testing/index.js'
import { checkOnce, REFUSED } from './checks.test.support.js'
import type { CheckResult } from './health-check.js'
import { httpCheck } from './http-check.js'

const transport = http1({
  connector: tcpConnector({}),
  max: Infinity,
  connectTimeoutMs: () => 5000,
  clock: systemClock,
  client: {},
})
const check = httpCheck(transport, { path: '/health?deep=1', expectedStatuses: [200, 204] })

/** What is found of a server that answers so, and what it was asked. */
async function ask(answer: RequestListener): Promise<[CheckResult | undefined, IncomingMessage[]]> {
  const requests: IncomingMessage[] = []
  const origin = await serve((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  return [await checkOnce(check, origin), requests]
}

test.each([200, 204])('%i is healthy', async (status) => {
  const [result, [request]] = await ask((_request, response) => response.writeHead(status).end())
  expect(result).toEqual({ kind: 'healthy' })
  expect(request).toMatchObject({ method: 'GET', url: '/health?deep=1' })
  expect(request?.headers).toMatchObject({
    'user-agent': 'fairlead-health-check',
    connection: 'close',
    host: expect.stringContaining('127.0.0.1:') as unknown,
  })
  await until(() => request?.socket.destroyed === true)
})

test.each([201, 302, 404, 429, 500, 503])('%i is not', async (status) => {
  const [result] = await ask((_request, response) => response.writeHead(status).end('a body'))
  expect(result).toEqual({ kind: 'unhealthy', why: `GET /health?deep=1 was answered with ${status}` })
})

test('an interim response is no answer', async () => {
  const [result] = await ask((_request, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' })
    response.writeHead(503).end()
  })
  expect(result).toMatchObject({ kind: 'unhealthy' })
})

test('a body of any length is that of a healthy one, and so much of it is read', async () => {
  const [result, [request]] = await ask((_request, response) => {
    response.writeHead(200)
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  expect(result).toEqual({ kind: 'healthy' })
  await until(() => request?.socket.destroyed === true)
})

test('a body that is cut is no answer', async () => {
  const [result] = await ask((_request, response) => {
    response.writeHead(200, { 'content-length': '10' })
    response.write('cut', () => response.destroy())
  })
  expect(result).toMatchObject({ kind: 'unreachable' })
})

test('an endpoint that refuses, or speaks no HTTP, does not answer', async () => {
  expect(await checkOnce(check, REFUSED)).toEqual({
    kind: 'unreachable',
    why: 'connect ECONNREFUSED 127.0.0.1:1',
  })
  const [result] = await ask((request) => request.socket.end('220 smtp.example.org\r\n'))
  expect(result).toMatchObject({ kind: 'unreachable' })
})

test('an origin that is none is no failure of the endpoint', () => {
  const found: CheckResult[] = []
  check({ ...instanceAt(REFUSED), origin: 'orders:80' }, (result) => void found.push(result))
  expect(found).toEqual([{ kind: 'unknown' }])
})

test('what is of this process says nothing of the endpoint', async () => {
  const exhausted = Object.assign(new Error('connect EMFILE'), { code: 'EMFILE' })
  const without = httpCheck(
    http1({
      connector: () => (_target, callback) => {
        queueMicrotask(() => callback(exhausted, null))
        return () => undefined
      },
      max: 1,
      connectTimeoutMs: () => 5000,
      clock: systemClock,
      client: {},
    }),
    { path: '/', expectedStatuses: [200] },
  )
  expect(await checkOnce(without, REFUSED)).toEqual({ kind: 'unknown' })
})

test('cancelled, it closes its connection and says nothing', async () => {
  const requests: IncomingMessage[] = []
  const origin = await serve((request) => void requests.push(request))
  const found: CheckResult[] = []
  const cancel = check(instanceAt(origin), (result) => void found.push(result))
  await until(() => requests.length === 1)
  cancel()
  cancel()
  await until(() => requests[0]?.socket.destroyed === true)
  // While it is being established, too.
  const silent = await takeSilently()
  check(instanceAt(`http://${silent}`), (result) => void found.push(result))()
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  expect(found).toEqual([])
})
