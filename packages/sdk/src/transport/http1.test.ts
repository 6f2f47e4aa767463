import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { takeSilently } from '../client.test.support.js'
import { until } from '../test-support/until.test.support.js'
import { ManualClock } from '../testing/index.js'
import { tcpConnector } from './connector.js'
import type { Http1Options } from './http1.js'
import { completed, connect as connectTo, send, Upstream, type Sent } from './http1.test.support.js'
import type { Transport } from './transport.js'

let upstream: Upstream
let origin: string

beforeEach(async () => {
  upstream = new Upstream()
  origin = await upstream.listen()
})

afterEach(() => upstream.close())

function connect(options: Partial<Http1Options> = {}, to = origin): Transport {
  return connectTo(to, options)
}

async function serveOne(connections: Transport): Promise<void> {
  const sent = send(connections)
  await upstream.waiting(1)
  upstream.answer()
  await completed(sent)
}

describe('which connection', () => {
  test('the one that became free last', async () => {
    const connections = connect()
    const sent = [send(connections), send(connections), send(connections)]
    await upstream.waiting(3)
    const last = upstream.requests.at(-1)
    for (let n = 0; n < 3; n++) upstream.answer()
    await completed(...sent)
    const next = send(connections)
    await upstream.waiting(1)
    expect(upstream.requests).toEqual([last])
    expect(upstream.sockets.length).toBe(3)
    upstream.answer()
    await completed(next)
    await connections.close()
  })

  test('free with the end of the response, in the same turn', async () => {
    const connections = connect()
    for (let n = 0; n < 5; n++) await serveOne(connections)
    expect(upstream.sockets.length).toBe(1)
    await connections.close()
  })

  test('none that the endpoint has closed', async () => {
    const connections = connect()
    await serveOne(connections)
    upstream.sockets[0]?.destroy()
    await until(() => connections.connections === 0)
    const second = send(connections)
    await upstream.waiting(1)
    expect(upstream.requests).toEqual([1])
    upstream.answer()
    await completed(second)
    await connections.close()
  })

  test('a new one after a request broke', async () => {
    const connections = connect()
    const first = send(connections)
    await upstream.waiting(1)
    upstream.requests.shift()
    upstream.sockets[0]?.resetAndDestroy()
    await until(() => first.state instanceof Error)
    await until(() => connections.connections === 0)
    await serveOne(connections)
    await connections.close()
  })

  test('no second one for a request that was cancelled', async () => {
    const connections = connect()
    const first = send(connections)
    await upstream.waiting(1)
    upstream.requests.shift()
    first.attempt.cancel(new Error('enough'), 'ignored')
    await until(() => upstream.sockets[0]?.destroyed === true)
    await serveOne(connections)
    expect(upstream.sockets.length).toBe(2)
    await connections.close()
  })
})

describe('no more than the limit', () => {
  test('others wait, and have their turn in order', async () => {
    const connections = connect({ max: 2 })
    const sent = Array.from({ length: 5 }, () => send(connections))
    for (const [index, one] of sent.entries()) {
      await until(() => upstream.requests.length > 0)
      expect(sent.slice(index + 2).every(({ state }) => state === 'open')).toBe(true)
      upstream.answer()
      await completed(one)
    }
    expect(upstream.sockets.length).toBe(2)
    await connections.close()
  })

  test('one that is cancelled while it waits is never sent', async () => {
    const connections = connect({ max: 1 })
    const [first, second, third] = [send(connections), send(connections), send(connections)]
    second.attempt.cancel(new Error('enough'), 'ignored')
    await upstream.waiting(1)
    upstream.answer()
    await completed(first)
    await upstream.waiting(1)
    upstream.answer()
    await completed(third)
    expect(second.state).toBe('open')
    expect(connections.connections).toBe(1)
    await connections.close()
  })

  test('one that is cancelled on its connection makes room, with a new connection', async () => {
    const connections = connect({ max: 1 })
    const first = send(connections)
    const second = send(connections)
    await upstream.waiting(1)
    upstream.requests.shift()
    first.attempt.cancel(new Error('enough'), 'ignored')
    await upstream.waiting(1)
    upstream.answer()
    await completed(second)
    await until(() => upstream.sockets[0]?.destroyed === true)
    await connections.close()
  })

  test('a refused connection makes room: what waits is refused in turn, and nothing waits indefinitely', async () => {
    // No system hands out the lowest port.
    const connections = connect({ max: 1 }, 'http://127.0.0.1:1')
    const sent = [send(connections), send(connections), send(connections)]
    await until(() => sent.every(({ state }) => state instanceof Error))
    expect(sent.map(({ state }) => String(state))).toEqual(
      sent.map(() => expect.stringContaining('ECONNREFUSED') as string),
    )
    await connections.close()
  })

  test('what is refused before it is sent leaves the connection as it is', async () => {
    const connections = connect({ max: 1 })
    await serveOne(connections)
    const wrong = send(connections, 'GET', 'no path')
    await until(() => wrong.state instanceof Error)
    await serveOne(connections)
    expect(upstream.sockets.length).toBe(1)
    await connections.close()
  })
})

describe('a connection in the turn of its response', () => {
  /** Sends one request in the turn in which the one before it is complete, as a caller who awaits it does. */
  async function follow(first: Sent, next: () => Sent): Promise<Sent> {
    return new Promise((resolve) => (first.onComplete = () => resolve(next())))
  }

  test('carries what may be repeated', async () => {
    const connections = connect()
    const second = follow(send(connections), () => send(connections, 'GET'))
    await upstream.waiting(1)
    upstream.answer()
    await second
    await upstream.waiting(1)
    expect(upstream.requests).toEqual([0])
    upstream.answer()
    await completed(await second)
    await connections.close()
  })

  test('carries nothing else: that gets one that has rested, or a new one', async () => {
    const connections = connect()
    let last = send(connections, 'POST')
    const used: number[] = []
    for (let n = 0; n < 6; n++) {
      const next = follow(last, () => send(connections, 'POST'))
      await upstream.waiting(1)
      used.push(upstream.requests[0] ?? -1)
      upstream.answer()
      last = await next
    }
    await upstream.waiting(1)
    upstream.answer()
    await completed(last)
    expect(used).toEqual([0, 1, 0, 1, 0, 1])
    await connections.close()
  })

  test('is waited for where there may be no other', async () => {
    const connections = connect({ max: 1 })
    const second = follow(send(connections, 'POST'), () => send(connections, 'POST'))
    await upstream.waiting(1)
    upstream.answer()
    const sent = await second
    const third = send(connections, 'GET')
    await upstream.waiting(1)
    upstream.answer()
    await completed(sent)
    await upstream.waiting(1)
    upstream.answer()
    await completed(third)
    expect(upstream.sockets.length).toBe(1)
    await connections.close()
  })

  test('closed instead of rested, it makes way for a new one', async () => {
    const connections = connect({ max: 1 })
    const second = follow(send(connections, 'POST'), () => send(connections, 'POST'))
    await upstream.waiting(1)
    upstream.answer()
    upstream.sockets[0]?.end()
    const sent = await second
    await upstream.waiting(1)
    expect(upstream.requests).toEqual([1])
    upstream.answer()
    await completed(sent)
    await connections.close()
  })

  test('closed behind the response, what it carries is sent again, and its caller does not notice', async () => {
    const connections = connect()
    const first = send(connections)
    const second = follow(first, () => send(connections))
    await upstream.waiting(1)
    upstream.answer()
    const sent = await second
    // It is on its way when the server closes.
    await upstream.waiting(1)
    upstream.requests.shift()
    upstream.sockets[0]?.destroy()
    await upstream.waiting(1)
    expect(upstream.requests).toEqual([1])
    // From now on connections rest, whatever they carry.
    const third = follow(sent, () => send(connections))
    upstream.answer()
    await third
    await upstream.waiting(1)
    expect(upstream.requests).toEqual([2])
    upstream.answer()
    await completed(await third)
    await connections.close()
  })

  test('a request that has part of its response is not sent again', async () => {
    const connections = connect()
    const second = follow(send(connections), () => send(connections))
    await upstream.waiting(1)
    upstream.answer()
    const sent = await second
    await upstream.waiting(1)
    upstream.requests.shift()
    upstream.sockets[0]?.end('HTTP/1.1 200 OK\r\ncontent-le')
    await until(() => sent.state instanceof Error)
    expect(upstream.sockets.length).toBe(1)
    await connections.close()
  })
})

describe('the end', () => {
  test('closing lets requests in flight and in the queue finish', async () => {
    const connections = connect({ max: 1 })
    const sent = [send(connections), send(connections)]
    let closed = false
    const closing = connections.close().then(() => (closed = true))
    for (const one of sent) {
      await upstream.waiting(1)
      expect(closed).toBe(false)
      upstream.answer()
      await completed(one)
    }
    await closing
    await until(() => upstream.open === 0)
    const late = send(connections)
    expect(String(late.state)).toContain('ClientClosedError')
  })

  test('destroying aborts requests in flight and in the queue', async () => {
    const connections = connect({ max: 1 })
    const sent = [send(connections), send(connections)]
    await upstream.waiting(1)
    await connections.destroy(new Error('over'))
    await until(() => sent.every(({ state }) => state instanceof Error))
    expect(sent.map(({ state }) => (state as Error).message)).toEqual(['over', 'over'])
    await until(() => upstream.open === 0)
    await connections.close()
  })

  test.each(['at once', 'with one in flight'])('destroying %s sends nothing of the queue', async (when) => {
    const connections = connect({ max: 1 })
    const sent = Array.from({ length: 5 }, () => send(connections, 'POST'))
    if (when !== 'at once') await upstream.waiting(1)
    upstream.requests.length = 0
    await connections.destroy(new Error('over'))
    await until(() => sent.every(({ state }) => state instanceof Error))
    expect(sent.map(({ state }) => (state as Error).message)).toEqual(sent.map(() => 'over'))
    expect(connections.connections).toBe(0)
    // What had been sent would be at the server before this one.
    const other = connect()
    await serveOne(other)
    expect(upstream.requests).toEqual([])
    await other.close()
  })
})

describe('the limit for connecting', () => {
  const LIMIT_MS = 100
  const clock = (): ManualClock => new ManualClock()
  const isOver = (sent: Sent): boolean => sent.state !== 'open'

  test('ends a TLS handshake that stands still, at its time and not before', async () => {
    const time = clock()
    const silent = `https://${await takeSilently()}`
    const connections = connect({ clock: time, connectTimeoutMs: () => LIMIT_MS }, silent)
    const sent = send(connections)
    await time.advance(LIMIT_MS - 1)
    expect(sent.state).toBe('open')
    await time.advance(1)
    await until(() => isOver(sent))
    expect(sent.state).toMatchObject({
      code: 'UND_ERR_CONNECT_TIMEOUT',
      message: `no connection to ${silent.slice(8)} within 100 ms (option connections.connectTimeoutMs)`,
    })
    await connections.destroy(new Error('over'))
  })

  test('holds for the look-up of the name too', async () => {
    const time = clock()
    const tls = { lookup: () => undefined }
    const connections = connect(
      { clock: time, connectTimeoutMs: () => LIMIT_MS, connector: tcpConnector(tls) },
      'http://orders.test:8080',
    )
    const sent = send(connections)
    await time.advance(LIMIT_MS)
    await until(() => isOver(sent))
    expect(sent.state).toMatchObject({ code: 'UND_ERR_CONNECT_TIMEOUT' })
    await connections.destroy(new Error('over'))
  })

  test('is not for what comes after', async () => {
    const time = clock()
    const connections = connect({ clock: time, connectTimeoutMs: () => LIMIT_MS })
    const sent = send(connections)
    await upstream.waiting(1)
    expect(time.pending).toBe(0)
    upstream.answer()
    await completed(sent)
    await connections.close()
  })

  test('gives the time once more in which our event loop was held up', async () => {
    const time = clock()
    const silent = `https://${await takeSilently()}`
    const connections = connect({ clock: time, connectTimeoutMs: () => LIMIT_MS }, silent)
    const sent = send(connections)
    await time.advance(0)
    time.holdUp(LIMIT_MS + 60)
    await time.advance(59)
    expect(sent.state).toBe('open')
    await time.advance(1)
    await until(() => isOver(sent))
    await connections.destroy(new Error('over'))
  })

  test('is true to far less than undici has it, which looks twice a second', async () => {
    const took: number[] = []
    for (let n = 0; n < 3; n++) {
      const connections = connect({ connectTimeoutMs: () => 30 }, `https://${await takeSilently()}`)
      const begun = performance.now()
      const sent = send(connections)
      await until(() => isOver(sent))
      took.push(performance.now() - begun)
      await connections.destroy(new Error('over'))
    }
    expect(Math.min(...took)).toBeGreaterThanOrEqual(29)
    // Once of three times, should this process stand still.
    expect(Math.min(...took)).toBeLessThan(400)
  })
})
