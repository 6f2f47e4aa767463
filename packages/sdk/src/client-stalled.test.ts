import { once } from 'node:events'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client } from './index.js'

const HEALTHY = 5
const CONCURRENT = 64
const STALL_MS = 2000
// Each stall is longer than what a request is given.
const TIMEOUT_MS = 1500

let client: Client
let worker: Worker
let load: Load
afterEach(async () => {
  load.over = true
  await client.dispatcher.destroy()
  await worker.terminate()
})

test('a client that stalls again and again under load takes no healthy endpoint for a sick one, and finds the one that is', async () => {
  const origins = await serve()
  const logged: string[] = []
  const log = (...said: readonly unknown[]): void => void logged.push(JSON.stringify(said))
  client = createClient('orders', {
    resolver: fixedResolver(origins),
    balancer: 'round_robin',
    timeoutMs: TIMEOUT_MS,
    logger: { info: () => undefined, warn: log, error: log },
  })
  load = new Load()
  const running = load.run()
  await expect.poll(() => load.answered).toBeGreaterThan(500)
  // In each phase of the event loop: for timers, for what was read, for what comes behind it.
  for (let round = 0; round < 2; round++) {
    await sleep(100)
    stall()
    await load.duringNextAnswer(stall)
    await nextTurn()
    stall()
    // All of it at once, with a turn in between.
    await load.duringNextAnswer(stall)
    await nextTurn()
    stall()
  }
  const { answered } = load
  await expect.poll(() => load.answered).toBeGreaterThan(answered + 500)
  load.over = true
  await running

  const { endpoints } = client.inspect()
  const sick = endpoints.find(({ origin }) => origin === origins.at(-1))
  for (const endpoint of endpoints) {
    if (endpoint === sick) continue
    expect(endpoint).toMatchObject({ availability: { state: 'available' }, failures: 0 })
    expect(endpoint.requests).toBeGreaterThan(200)
    // It answers within 30 ms.
    expect(endpoint.latencyMs).toBeLessThan(500)
    expect(logged.filter((line) => line.includes(endpoint.origin.slice('http://'.length)))).toEqual([])
  }
  expect(sick?.availability.reason).toMatch(/ejected|circuit_open|stalled/)
  expect(sick?.failures).toBeGreaterThanOrEqual(5)
}, 90_000)

/** So many requests at all times, each followed by another one. */
class Load {
  answered = 0
  over = false
  #during: (() => void) | undefined

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: CONCURRENT }, () => this.#askOn()))
  }

  /** Runs this as part of the work on one answer, between what the others have brought. */
  duringNextAnswer(work: () => void): Promise<void> {
    return new Promise((resolve) => {
      this.#during = () => {
        work()
        resolve()
      }
    })
  }

  async #askOn(): Promise<void> {
    while (!this.over) {
      try {
        const { body } = await client.request({ path: '/', method: 'POST' })
        const during = this.#during
        this.#during = undefined
        during?.()
        await body.dump()
        this.answered++
      } catch {
        // Of the endpoint that hangs, and what a stall of our own leaves no time for.
        await nextTurn()
      }
    }
  }
}

/** Our event loop does nothing, and leaves the cores to the servers. */
function stall(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS)
}

/** Healthy servers on an event loop of their own, and last one that takes requests and never answers. */
async function serve(): Promise<readonly string[]> {
  worker = new Worker(`(${servers.toString()})()`, { eval: true, workerData: HEALTHY })
  const [ports] = (await once(worker, 'message')) as [readonly number[]]
  return ports.map((port) => `http://127.0.0.1:${port}`)
}

/** Runs in the worker, so that nothing from outside of it can be used. */
function servers(): void {
  const { createServer } = process.getBuiltinModule('node:http')
  const events = process.getBuiltinModule('node:events')
  const thread = process.getBuiltinModule('node:worker_threads')
  const healthy = thread.workerData as number
  const listening = Array.from({ length: healthy + 1 }, (_, place) => {
    let asked = 0
    const server = createServer((request, response) => {
      request.resume()
      if (place < healthy) setTimeout(() => response.end('ok'), 5 + (asked++ % 25))
    })
    // It closes what the client leaves idle, which is all of it in a stall.
    server.keepAliveTimeout = 1000
    return server.listen(0, '127.0.0.1')
  })
  void Promise.all(listening.map((server) => events.once(server, 'listening'))).then(() => {
    thread.parentPort?.postMessage(
      listening.map((server) => {
        const address = server.address()
        return typeof address === 'object' ? address?.port : undefined
      }),
    )
  })
}
