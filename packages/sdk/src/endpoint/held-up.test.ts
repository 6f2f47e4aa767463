import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { afterEach, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client } from '../index.js'

const REQUESTS = 90
const TIMEOUT_MS = 2000

let client: Client
let worker: Worker
afterEach(async () => {
  await client.dispatcher.destroy()
  await worker.terminate()
})

test('what was answered while our event loop stood still is answered, and no endpoint has failed or been slow', async () => {
  client = createClient('orders', { resolver: fixedResolver([await serve()]), timeoutMs: TIMEOUT_MS })
  const sent = Array.from({ length: REQUESTS }, () => ask('/soon'))
  // All are with the server; and then the answers come, and we do not.
  await once(worker, 'message')
  holdUp(1.5 * TIMEOUT_MS)
  expect(await Promise.all(sent)).toEqual(sent.map(() => 200))
  const [endpoint] = client.inspect().endpoints
  expect(endpoint).toMatchObject({ availability: { state: 'available' }, failures: 0 })
  // It answered after 200 ms, and was read after 3,000.
  expect(endpoint?.latencyMs).toBeLessThan(TIMEOUT_MS / 2)
})

test('what could not be written in time is late, and no endpoint has failed', async () => {
  client = createClient('orders', { resolver: fixedResolver([await serve()]), timeoutMs: TIMEOUT_MS })
  const sent = Array.from({ length: REQUESTS }, () => ask('/never'))
  holdUp(1.5 * TIMEOUT_MS)
  const ended = await Promise.allSettled(sent)
  for (const { status } of ended) expect(status).toBe('rejected')
  expect(client.inspect().endpoints[0]).toMatchObject({ availability: { state: 'available' }, failures: 0 })
})

async function ask(path: string): Promise<number> {
  const { statusCode, body } = await client.request({ path, method: 'POST' })
  await body.dump()
  return statusCode
}

/** Our event loop does nothing, and leaves the cores to the server. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** On an event loop of its own; returns its origin. */
async function serve(): Promise<string> {
  worker = new Worker(`(${server.toString()})()`, { eval: true, workerData: REQUESTS })
  const [port] = (await once(worker, 'message')) as [number]
  return `http://127.0.0.1:${port}`
}

/** Runs in the worker, so that nothing from outside of it can be used. */
function server(): void {
  const { createServer } = process.getBuiltinModule('node:http')
  const thread = process.getBuiltinModule('node:worker_threads')
  const held: { end(): unknown }[] = []
  const listening = createServer(({ url }, response) => {
    if (url !== '/soon' || held.push(response) < (thread.workerData as number)) return
    thread.parentPort?.postMessage('all are here')
    setTimeout(() => held.forEach((one) => one.end()), 200)
  })
  listening.listen(0, '127.0.0.1', () => {
    const address = listening.address()
    thread.parentPort?.postMessage(typeof address === 'object' ? address?.port : undefined)
  })
}
