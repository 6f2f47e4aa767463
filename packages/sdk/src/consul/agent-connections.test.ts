import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { systemClock } from '../clock.js'
import { parseOptions } from '../options.js'
import { ConsulAgent } from './agent.js'
import { JsonListReader, type EntryReader, type Keyed } from './json-list.js'

const { signal } = new AbortController()
const question = { method: 'GET', path: '/v1/health/service/orders', timeoutMs: 5000 } as const
const reader = (onRead: () => void): EntryReader<Keyed> => ({
  read: () => {
    onRead()
    return { key: '' }
  },
  same: () => true,
})

// In a thread of its own, so that it goes on sending while we read.
const POURING = `
  const { createServer } = require('node:http')
  const { parentPort } = require('node:worker_threads')
  const body = JSON.stringify(Array.from({ length: 6000 }, () => ({ padding: 'x'.repeat(1000) })))
  const server = createServer((request, response) => response.end(body))
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))
`

test('while a large answer is read, everything else has its turn', async () => {
  const pouring = new Worker(POURING, { eval: true })
  const [port] = (await once(pouring, 'message')) as [number]
  const { consul } = parseOptions('orders', { consul: { address: `http://127.0.0.1:${port}` } }, {})
  let sinceTurn = 0
  let most = 0
  const look = (): void => {
    most = Math.max(most, sinceTurn)
    sinceTurn = 0
    // Busy with something else, so that there is always more to read than a turn should take.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    turning = setImmediate(look)
  }
  let turning = setImmediate(look)
  const counting = reader(() => sinceTurn++)
  const large = new ConsulAgent(consul.agent, systemClock)
  // The kernel gives more at a time, the longer the connection has been busy.
  for (let time = 0; time < 5; time++) {
    const { entries } = await large.askList(question, () => new JsonListReader(counting), signal)
    expect(entries).toHaveLength(6000)
  }
  clearImmediate(turning)
  await pouring.terminate()
  // 256 kB and what was on its way, where the socket gives 2 MB.
  expect(most).toBeLessThan(600)
})
