import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { until } from '../test-support/until.test.support.js'
import { ManualClock, seededRandom } from '../testing/index.js'
import { completed, connect, send, Upstream } from './http1.test.support.js'
import type { Transport } from './transport.js'

let upstream: Upstream
let origin: string
let connections: Transport

beforeEach(async () => {
  upstream = new Upstream()
  origin = await upstream.listen()
})

afterEach(async () => {
  await connections.destroy(new Error('over'))
  upstream.close()
})

async function serveOne(): Promise<void> {
  const sent = send(connections)
  await upstream.waiting(1)
  upstream.answer()
  await completed(sent)
}

describe('maxRequests', () => {
  test.each([1, 3])('a connection carries %i, tells the last one so, and is closed', async (maxRequests) => {
    connections = connect(origin, { maxRequests })
    for (let n = 1; n <= 2 * maxRequests; n++) {
      await serveOne()
      expect(upstream.sockets.length).toBe(Math.ceil(n / maxRequests))
    }
    await until(() => upstream.open === 0)
    expect(connections.connections).toBe(0)
    const last = upstream.heads.map((head) => head.includes('connection: close\r\n'))
    expect(last).toEqual(last.map((_, place) => (place + 1) % maxRequests === 0))
  })

  test('what waits gets the next connection', async () => {
    connections = connect(origin, { maxRequests: 1, max: 1 })
    const sent = [send(connections), send(connections), send(connections, 'POST')]
    for (const one of sent) {
      await upstream.waiting(1)
      upstream.answer()
      await completed(one)
    }
    expect(upstream.sockets.length).toBe(3)
  })
})

describe('maxAgeMs', () => {
  const AGE_MS = 60_000
  const maxAge = { ms: AGE_MS, random: seededRandom(1) }
  let clock: ManualClock
  beforeEach(() => {
    clock = new ManualClock()
    connections = connect(origin, { clock, maxAge })
  })

  test('closes an idle connection', async () => {
    await serveOne()
    await clock.advance(0.9 * AGE_MS)
    expect([connections.connections, upstream.open]).toEqual([1, 1])
    await clock.advance(0.1 * AGE_MS)
    expect(connections.connections).toBe(0)
    await until(() => upstream.open === 0)
    expect(clock.pending).toBe(0)
  })

  test('lets a busy one finish, and closes it then', async () => {
    const sent = send(connections)
    await upstream.waiting(1)
    await clock.advance(AGE_MS)
    expect(connections.connections).toBe(1)
    upstream.answer()
    await completed(sent)
    expect(connections.connections).toBe(0)
    await until(() => upstream.open === 0)
    await serveOne()
    expect(upstream.sockets.length).toBe(2)
  })

  test('counts from the establishment of each', async () => {
    await serveOne()
    await clock.advance(0.8 * AGE_MS)
    const [first, second] = [send(connections), send(connections)]
    await upstream.waiting(2)
    upstream.answer()
    upstream.answer()
    await completed(first, second)
    await clock.advance(0.2 * AGE_MS)
    expect(connections.connections).toBe(1)
    await clock.advance(0.8 * AGE_MS)
    expect(connections.connections).toBe(0)
  })

  test('leaves no timer behind a connection that ends by itself', async () => {
    await serveOne()
    expect(clock.pending).toBe(1)
    upstream.sockets[0]?.destroy()
    await until(() => connections.connections === 0)
    expect(clock.pending).toBe(0)
  })
})

describe('preconnect', () => {
  test('opens as many as are missing, which requests then use', async () => {
    connections = connect(origin, {})
    connections.preconnect(3)
    connections.preconnect(2)
    expect(connections.connections).toBe(3)
    await until(() => upstream.open === 3)
    const sent = [send(connections), send(connections), send(connections), send(connections)]
    await upstream.waiting(4)
    expect([upstream.sockets.length, connections.connections]).toEqual([4, 4])
    for (let n = 0; n < 4; n++) upstream.answer()
    await completed(...sent)
    connections.preconnect(4)
    await serveOne()
    expect(upstream.sockets.length).toBe(4)
  })

  test('a request takes one that is only being established', async () => {
    connections = connect(origin, {})
    connections.preconnect(1)
    await serveOne()
    expect(upstream.sockets.length).toBe(1)
  })

  test('stays within the limit, also as requests come', async () => {
    connections = connect(origin, { max: 2 })
    connections.preconnect(5)
    expect(connections.connections).toBe(2)
    const sent = [send(connections), send(connections), send(connections)]
    await upstream.waiting(2)
    upstream.answer()
    upstream.answer()
    await upstream.waiting(1)
    upstream.answer()
    await completed(...sent)
    expect(upstream.sockets.length).toBe(2)
  })

  test('what the endpoint closes meanwhile is not used', async () => {
    connections = connect(origin, {})
    connections.preconnect(2)
    await until(() => upstream.open === 2)
    upstream.sockets[0]?.end()
    upstream.sockets[1]?.end('HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n')
    await until(() => connections.connections === 0)
    await serveOne()
    expect(upstream.sockets.length).toBe(3)
  })

  test('what no request has taken is closed after the keep-alive time', async () => {
    const clock = new ManualClock()
    connections = connect(origin, { clock, client: { keepAliveTimeout: 4000 } })
    connections.preconnect(1)
    await until(() => upstream.open === 1 && clock.nextDelayMs === 4000)
    await clock.advance(3999)
    expect(connections.connections).toBe(1)
    await clock.advance(1)
    expect(connections.connections).toBe(0)
    await until(() => upstream.open === 0)
    expect(clock.pending).toBe(0)
  })

  test('one that cannot be established fails no one, and a request only where it has taken it', async () => {
    connections = connect('http://127.0.0.1:1', {})
    connections.preconnect(2)
    const sent = send(connections)
    await until(() => sent.state instanceof Error && connections.connections === 0)
    expect(sent.state).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('after the end there is none', async () => {
    connections = connect(origin, {})
    connections.preconnect(1)
    await until(() => upstream.open === 1)
    await connections.close()
    await until(() => upstream.open === 0)
    connections.preconnect(1)
    expect(connections.connections).toBe(0)
  })
})
