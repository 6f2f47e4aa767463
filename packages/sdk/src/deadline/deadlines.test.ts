import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import Fastify, { type FastifyInstance } from 'fastify'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  createClient,
  currentDeadline,
  deadlines,
  fixedResolver,
  type Client,
  type ClientOptions,
} from '../index.js'
import { until } from '../test-support/until.test.support.js'
import type { DeadlinesOptions } from './deadlines.js'

const ENVOY = 'x-envoy-expected-rq-timeout-ms'
const GRPC = 'grpc-timeout'

/** The address of a server, which ends with the test. */
async function started(server: ReturnType<typeof createServer>): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A client of the instance at this address. */
function clientOf(origin: string, options: ClientOptions = {}): Client {
  const client = createClient('orders', { resolver: fixedResolver([origin]), ...options })
  onTestFinished(() => client.dispatcher.destroy())
  return client
}

/** The last of a chain, which says what it was told. */
function last(): Promise<string> {
  return started(createServer((request, response) => response.end(JSON.stringify(request.headers))))
}

interface Told {
  readonly remainingMs: number | undefined
  readonly source: string | undefined
  readonly headers: IncomingHttpHeaders
}

/** What a handler knows, and what the instance behind it is told. */
async function tell(client: Client): Promise<Told> {
  const deadline = currentDeadline()
  const remainingMs = deadline?.remainingMs
  const { body } = await client.request({ path: '/' })
  const headers = (await body.json()) as IncomingHttpHeaders
  return { remainingMs, source: deadline?.source, headers }
}

async function ask(origin: string, headers: Record<string, string> = {}, body?: string): Promise<Told> {
  const post = body === undefined ? {} : { method: 'POST', body }
  const response = await fetch(origin, {
    headers: { ...headers, 'content-type': 'application/json' },
    ...post,
  })
  return (await response.json()) as Told
}

interface Kind {
  readonly name: string
  /** A server whose handler answers with what `tell` says. */
  readonly start: (client: Client) => Promise<string>
}

const kinds: readonly Kind[] = [
  {
    name: 'a listener of node:http',
    start: (client) => {
      const { wrap } = deadlines()
      return started(
        createServer(
          wrap((request, response) => {
            void text(request)
              .then(() => tell(client))
              .then((told) => response.end(JSON.stringify(told)))
          }),
        ),
      )
    },
  },
  {
    name: 'a middleware',
    start: (client) => {
      const { handle } = deadlines()
      return started(
        createServer((request, response) =>
          handle(request, response, () => {
            request.resume()
            void tell(client).then((told) => response.end(JSON.stringify(told)))
          }),
        ),
      )
    },
  },
  {
    name: 'a middleware before and behind a parser that loses the async context',
    start: (client) => {
      const { handle } = deadlines()
      return started(
        createServer((request, response) => {
          const answer = (): void => void tell(client).then((told) => response.end(JSON.stringify(told)))
          handle(request, response, () => {
            request.resume().once('end', () => handle(request, response, answer))
          })
        }),
      )
    },
  },
  {
    name: 'a plugin of Fastify',
    start: async (client) => {
      const app: FastifyInstance = Fastify()
      onTestFinished(() => app.close())
      await app.register(deadlines().plugin)
      app.get('/', () => tell(client))
      app.post('/', () => tell(client))
      return app.listen({ port: 0, host: '127.0.0.1' })
    },
  },
]

describe.each(kinds)('$name', ({ start }) => {
  test.each([
    ['a GET', undefined],
    ['a POST with a body', JSON.stringify({ some: 'x'.repeat(100_000) })],
  ])('runs the handler of %s within its deadline, which goes on to whom it calls', async (_, body) => {
    const origin = await start(clientOf(await last()))
    const told = await ask(origin, { [GRPC]: '20S' }, body)
    expect(told.source).toBe('grpc-timeout of the incoming request, 20000 ms')
    expect(told.remainingMs).toBeGreaterThan(0)
    expect(told.remainingMs).toBeLessThan(20_000)
    const [, ms] = /^(\d+)m$/.exec(String(told.headers[GRPC])) ?? []
    expect(Number(ms)).toBeGreaterThan(0)
    expect(Number(ms)).toBeLessThanOrEqual(told.remainingMs ?? 0)
    expect(told.headers[ENVOY]).toBeUndefined()
  })

  test.each([{}, { [GRPC]: 'soon' }, { [ENVOY]: '0' }])('knows of none with %j', async (headers) => {
    const told = await ask(await start(clientOf(await last())), headers)
    expect(told).toMatchObject({
      headers: expect.not.objectContaining({ [GRPC]: expect.anything() as unknown }) as unknown,
    })
    expect([told.source, told.headers[ENVOY]]).toEqual([undefined, undefined])
  })

  test('keeps requests that come at once apart', async () => {
    const origin = await start(clientOf(await last()))
    const times = Array.from({ length: 20 }, (_, index) => 10_000 + index)
    const told = await Promise.all(times.map((ms) => ask(origin, { [ENVOY]: String(ms) }, '{}')))
    expect(told.map(({ source }) => source)).toEqual(
      times.map((ms) => `${ENVOY} of the incoming request, ${ms} ms`),
    )
  })
})

test('through a chain of servers, each is told less, and what takes too long ends by the first one’s time', async () => {
  let gone = false
  const silent = await started(
    createServer((_request, response) => response.on('close', () => (gone = true))),
  )
  const { wrap } = deadlines()
  const failing = (client: Client): Promise<string> =>
    started(
      createServer(
        wrap((_request, response) => {
          client.request({ path: '/' }).then(
            async ({ body }) => response.end(await body.text()),
            (error: unknown) => response.writeHead(504).end((error as Error).message),
          )
        }),
      ),
    )
  const middle = await failing(clientOf(silent))
  const first = await failing(clientOf(middle))
  const begun = performance.now()
  const { statusCode, body } = await clientOf(first, { timeoutMs: 60_000, deadlineHeader: ENVOY }).request({
    path: '/',
    headers: { [ENVOY]: '300' },
  })
  expect(statusCode).toBe(504)
  expect(await body.text()).toMatch(
    /by its deadline \(x-envoy-expected-rq-timeout-ms of the incoming request, \d+ ms\)/,
  )
  // Far from the 30 s that both would wait.
  expect(performance.now() - begun).toBeLessThan(20_000)
  await until(() => gone)
})

test('a longer time than is believed is taken for the longest', async () => {
  const { wrap } = deadlines({ longestMs: 1000 })
  const origin = await started(
    createServer(
      wrap((_request, response) => response.end(JSON.stringify({ source: currentDeadline()?.source }))),
    ),
  )
  expect(await ask(origin, { [GRPC]: '5H' })).toEqual({
    source: 'grpc-timeout of the incoming request, 1000 ms',
  })
})

test.each([
  [{ longestMs: 0 }, /^longestMs is 0: it must be a whole number of milliseconds from 1 to 86400000$/],
  [{ longestMS: 5 }, /unknown option longestMS: .* \(did you mean longestMs\?\)$/],
])('%j is refused', (options, message) => {
  expect(() => deadlines(options as DeadlinesOptions)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message) as unknown,
    }) as Error,
  )
})
