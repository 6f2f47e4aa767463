import type { RequestListener } from 'node:http'
import { expect, test } from 'vitest'
import { errorOf, Rig, serve, until, type Received } from '../testing/rig.test.support.js'

const ENVOY = 'x-envoy-expected-rq-timeout-ms'
const GRPC = 'grpc-timeout'

/** Says what headers it was sent. */
const echo: RequestListener = (request, response) => {
  request.resume().on('end', () => response.end(JSON.stringify(request.rawHeaders)))
}

/** Values of a header, as the instance was sent it. */
function values({ text }: Received, name: string): string[] {
  const raw = JSON.parse(text) as string[]
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name)
}

test.each([
  ['a GET', undefined],
  ['a POST', 'a body'],
])('%s that says how much time there is goes on with what is left of it', async (_, body) => {
  const rig = await Rig.start([await serve(echo)])
  const method = body === undefined ? 'GET' : 'POST'
  const headers = { host: 'orders', 'X-Envoy-Expected-Rq-Timeout-Ms': '4000', [GRPC]: '3S' }
  const answer = await rig.send({ method, headers, ...(body === undefined ? {} : { body }) })
  const [left, ...rest] = values(answer, ENVOY)
  expect(rest).toEqual([])
  expect(Number(left)).toBeGreaterThan(0)
  expect(Number(left)).toBeLessThan(3000)
  // It is the same time, in two forms.
  expect(values(answer, GRPC)).toEqual([`${left}m`])
})

test('nothing is said for who does not say anything, and more than --timeout is not promised', async () => {
  const rig = await Rig.start([await serve(echo)], { timeoutMs: 2000 })
  const without = await rig.send()
  expect([values(without, ENVOY), values(without, GRPC)]).toEqual([[], []])
  const answer = await rig.send({ headers: { host: 'orders', [GRPC]: '5H' } })
  expect(Number(/^(\d+)m$/.exec(values(answer, GRPC)[0] ?? '')?.[1])).toBeLessThanOrEqual(2000)
})

test('what is in no format that is known is passed on as it is', async () => {
  const rig = await Rig.start([await serve(echo)])
  const answer = await rig.send({ headers: { host: 'orders', [GRPC]: 'soon', [ENVOY]: '0' } })
  expect([values(answer, GRPC), values(answer, ENVOY)]).toEqual([['soon'], ['0']])
})

test('a request is answered with 504 when its own time is over, and says whose it was', async () => {
  let gone = false
  const instance = await serve((request, response) => {
    if (request.url === '/slow') response.on('close', () => (gone = true))
    else response.end()
  })
  const rig = await Rig.start([instance], { timeoutMs: 60_000 })
  // Discovery has answered, and there is a connection: on a busy machine they alone may take as long.
  await rig.send({ path: '/quick' })
  const answer = await rig.send({ path: '/slow', headers: { host: 'orders', [ENVOY]: '1000' } })
  expect(answer.status).toBe(504)
  expect(errorOf(answer)).toMatchObject({ error: 'DEADLINE_EXCEEDED', service: 'orders' })
  expect(errorOf(answer).message).toMatch(
    /^GET \/slow to orders at \S+ has no response by its deadline \(x-envoy-expected-rq-timeout-ms of the incoming request, 1000 ms\), attempt 1$/,
  )
  await until('the instance is rid of it', () => gone)
})

test('the time of a request runs from its head on, and it is not sent when that is over', async () => {
  const asked: string[] = []
  const rig = await Rig.start([
    await serve((request, response) => {
      asked.push(request.url ?? '')
      response.end()
    }),
  ])
  // No body is read within a nanosecond.
  const answer = await rig.send({ method: 'POST', headers: { host: 'orders', [GRPC]: '1n' }, body: 'a body' })
  expect(answer.status).toBe(504)
  expect(errorOf(answer)).toMatchObject({
    error: 'DEADLINE_EXCEEDED',
    message:
      'POST / to orders was not sent by its deadline (grpc-timeout of the incoming request, 0.000001 ms)',
  })
  expect(asked).toEqual([])
})
