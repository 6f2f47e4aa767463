import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { Agent, Pool, fetch, type Dispatcher } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import { createClient, fixedResolver } from '../index.js'
import { until } from '../test-support/until.test.support.js'

/** How a server ends a connection behind each of its answers. */
interface Habit {
  readonly by: 'FIN' | 'RST'
  /** Turns of its event loop after the answer has been written. */
  readonly afterTurns: number
  /** Does the answer say so, with `Connection: close`? */
  readonly announced: boolean
}

const habits: readonly Habit[] = (['FIN', 'RST'] as const).flatMap((by) => [
  { by, afterTurns: 0, announced: true },
  ...[0, 1, 2].map((afterTurns) => ({ by, afterTurns, announced: false })),
])

const REQUESTS = 40

// A process that stands still between its answer and the close makes any client lose a request. Before connections
// rested, it was half of them.
const STANDSTILLS = 6

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

describe.each(habits)(
  'a server that closes by $by $afterTurns turns after, announced: $announced',
  (habit) => {
    test.each(['POST', 'GET'])('costs no %s that it costs neither Pool nor fetch', async (method) => {
      const origin = await serve(habit)
      const pool = new Pool(origin)
      const agent = new Agent()
      const client = createClient('orders', {
        resolver: fixedResolver([origin]),
        retry: false,
        breaker: false,
      })
      ends.push(
        () => pool.destroy(),
        () => agent.destroy(),
        () => client.dispatcher.destroy(),
      )
      const body = method === 'POST' ? 'x' : null
      const through = (dispatcher: Dispatcher) => async (): Promise<unknown> =>
        (await dispatcher.request({ path: '/', method: method, body })).body.text()
      for (const concurrency of [1, 4]) {
        const lost = {
          pool: await losses(through(pool), concurrency),
          fetch: await losses(
            async () => (await fetch(origin, { method, body, dispatcher: agent })).text(),
            concurrency,
          ),
          client: await losses(through(client.dispatcher), concurrency),
        }
        expect(lost.client, JSON.stringify(lost)).toBeLessThanOrEqual(
          Math.max(lost.pool, lost.fetch) + STANDSTILLS,
        )
      }
      const [endpoint] = client.inspect().endpoints
      expect(endpoint?.requests).toBe(2 * REQUESTS)
    })
  },
)

test.each([1, 600])('keepAliveMs is the most that the hint "timeout=%i" makes of it', async (seconds) => {
  const closed: number[] = []
  const origin = await serveHere((socket) => {
    const openedAt = performance.now()
    socket.once('close', () => closed.push(performance.now() - openedAt))
    socket.on('data', () =>
      socket.write(`HTTP/1.1 200 OK\r\nkeep-alive: timeout=${seconds}\r\ncontent-length: 0\r\n\r\n`),
    )
  })
  const client = createClient('orders', {
    resolver: fixedResolver([origin]),
    connections: { keepAliveMs: 100 },
  })
  ends.push(() => client.close())
  await (await client.request({ path: '/' })).body.dump()
  await until(() => closed.length === 1)
})

// undici's clock ticks once in half a second, so that it closes two seconds before a hint is over, and no later than one.
test.each([1, 2, 3, 5])(
  'a connection of "timeout=%i" is not used in the last second of it',
  async (seconds) => {
    const closed: number[] = []
    let answeredAt = 0
    const origin = await serveHere((socket) => {
      socket.once('close', () => closed.push(performance.now() - answeredAt))
      socket.on('data', () => {
        answeredAt = performance.now()
        socket.write(`HTTP/1.1 200 OK\r\nkeep-alive: timeout=${seconds}\r\ncontent-length: 0\r\n\r\n`)
      })
    })
    const client = createClient('orders', {
      resolver: fixedResolver([origin]),
      connections: { keepAliveMs: 60_000 },
    })
    ends.push(() => client.close())
    await (await client.request({ path: '/' })).body.dump()
    await until(() => closed.length === 1)
    expect(closed[0]).toBeLessThan(Math.max(1, seconds - 1) * 1000)
  },
)

/** On this event loop; returns its origin. */
async function serveHere(take: (socket: Socket) => void): Promise<string> {
  const listening = createServer((socket) => take(socket.on('error', () => undefined)))
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  ends.push(() => new Promise((resolve) => listening.close(resolve)))
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
}

/** How many of so many requests, some at a time in turn, fail. */
async function losses(send: () => Promise<unknown>, concurrency: number): Promise<number> {
  let lost = 0
  const inTurn = async (): Promise<void> => {
    for (let n = 0; n < REQUESTS / concurrency; n++) await send().catch(() => lost++)
  }
  await Promise.all(Array.from({ length: concurrency }, inTurn))
  return lost
}

/** On an event loop of its own; returns its origin. */
async function serve(habit: Habit): Promise<string> {
  const worker = new Worker(`(${server.toString()})()`, { eval: true, workerData: habit })
  ends.push(() => worker.terminate())
  const [port] = (await once(worker, 'message')) as [number]
  return `http://127.0.0.1:${port}`
}

/** Runs in the worker, so that nothing from outside of it can be used. */
function server(): void {
  const { createServer } = process.getBuiltinModule('node:net')
  const worker = process.getBuiltinModule('node:worker_threads')
  const habit = worker.workerData as Habit
  const { by, afterTurns, announced } = habit
  const head = `HTTP/1.1 200 OK\r\n${announced ? 'connection: close\r\n' : ''}content-length: 2\r\n\r\n`
  const listening = createServer((socket) => {
    const close = (turns: number): void => {
      if (turns > 0) setImmediate(() => close(turns - 1))
      else if (by === 'RST') socket.resetAndDestroy()
      else socket.end()
    }
    let received = ''
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      const end = received.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0)
      if (end < 0 || received.length < end + 4 + length) return
      received = ''
      socket.write(`${head}ok`, () => close(afterTurns))
    })
  })
  listening.listen(0, '127.0.0.1', () => {
    const address = listening.address()
    worker.parentPort?.postMessage(typeof address === 'object' ? address?.port : undefined)
  })
}
