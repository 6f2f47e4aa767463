import { constants } from 'node:http2'
import { Readable } from 'node:stream'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../test-support/until.test.support.js'
import { ManualClock } from '../testing/index.js'
import { createClient, fixedResolver } from '../index.js'
import {
  ACK,
  END_HEADERS,
  END_STREAM,
  frame,
  FRAME,
  serveFrames,
  STATUS_200,
  word,
} from './http2-frames.test.support.js'
import { connectHttp2, exchange } from './http2.test.support.js'
import type { Http2Transport } from './http2.js'

let transport: Http2Transport | undefined
afterEach(async () => {
  await transport?.destroy(new Error('over'))
  transport = undefined
})

const head = (id: number, flags = 0): Buffer => frame(FRAME.HEADERS, END_HEADERS | flags, id, STATUS_200)
const data = (id: number, text: string, flags = 0): Buffer => frame(FRAME.DATA, flags, id, Buffer.from(text))
const reset = (id: number, code: number): Buffer => frame(FRAME.RST_STREAM, 0, id, word(code))
const goaway = (last: number, code: number): Buffer =>
  frame(FRAME.GOAWAY, 0, 0, Buffer.concat([word(last), word(code)]))

describe('a response that is reset by NO_ERROR', () => {
  test.each([true, false])('before its end is cut, in one segment: %s', async (together) => {
    const { origin } = await serveFrames((socket, id) => {
      const frames = [head(id), data(id, 'half'), reset(id, constants.NGHTTP2_NO_ERROR)]
      if (together) socket.write(Buffer.concat(frames))
      else for (const each of frames) socket.write(each)
    })
    transport = connectHttp2(origin)
    const one = exchange(transport)
    await until(() => one.over)
    expect(one.state).toMatchObject({
      message: 'the endpoint ended the HTTP/2 stream before its response was whole',
    })
    // It had begun to answer: nothing is sent twice.
    expect(one.attempt.written).toBe(true)
  })

  test('is whole where it has the length that it told', async () => {
    // RFC 7541, 6.2.2: a literal without indexing, its name of the static table (28: content-length).
    const length = Buffer.from([0x88, 0x0f, 0x0d, 0x01, '5'.charCodeAt(0)])
    const { origin } = await serveFrames((socket, id) => {
      const begun = frame(FRAME.HEADERS, END_HEADERS, id, length)
      const text = id === 1 ? 'whole' : 'half'
      socket.write(Buffer.concat([begun, data(id, text), reset(id, constants.NGHTTP2_NO_ERROR)]))
    })
    const connections = connectHttp2(origin)
    transport = connections
    const [whole, half] = [exchange(connections), exchange(connections)]
    await until(() => whole.over && half.over)
    expect([whole.state, whole.body]).toEqual(['complete', 'whole'])
    expect(half.state).toBeInstanceOf(Error)
  })

  test('behind its end is whole, also while an upload goes on', async () => {
    const { origin } = await serveFrames((socket, id) => {
      const end = [head(id), data(id, 'whole', END_STREAM), reset(id, constants.NGHTTP2_NO_ERROR)]
      socket.write(Buffer.concat(end))
    })
    transport = connectHttp2(origin)
    const body = (async function* () {
      yield 'a'
      await new Promise(() => undefined)
    })()
    const one = exchange(transport, { method: 'POST', body: body as never })
    await until(() => one.over)
    expect([one.state, one.body]).toEqual(['complete', 'whole'])
  })
})

test.each(['cancelled', 'failed'])('an upload that is %s does not end as if it were whole', async (how) => {
  const seen: string[] = []
  const { origin } = await serveFrames(
    () => undefined,
    () => undefined,
    (type, flags, payload) => {
      if (type === FRAME.DATA) seen.push(`data ${payload.toString()}${flags & END_STREAM ? ', its end' : ''}`)
      if (type === FRAME.RST_STREAM) seen.push(`reset ${payload.readUInt32BE(0)}`)
    },
  )
  transport = connectHttp2(origin)
  const body = new Readable({ read: () => undefined })
  body.push('part')
  const one = exchange(transport, { method: 'POST', body })
  await until(() => seen.length === 1)
  if (how === 'cancelled') one.attempt.cancel(new Error('enough'), 'ignored')
  else body.destroy(new Error('disk full'))
  await until(() => seen.length === 2)
  expect(seen).toEqual(['data part', `reset ${constants.NGHTTP2_CANCEL}`])
})

test('a connection that ends in the middle of a response cuts it', async () => {
  const { origin } = await serveFrames((socket, id) =>
    socket.end(Buffer.concat([head(id), data(id, 'half')])),
  )
  transport = connectHttp2(origin)
  const one = exchange(transport)
  await until(() => one.over)
  expect(one.state).toMatchObject({ code: 'UND_ERR_SOCKET', message: 'other side closed' })
})

test('a GOAWAY in two steps, as Envoy and Go send it, loses nothing', async () => {
  const { origin, sockets } = await serveFrames((socket, id) => {
    // First of all streams, so that none is lost that is on its way; then of those that have come.
    if (sockets.length === 1 && id === 1) socket.write(goaway(2 ** 31 - 1, constants.NGHTTP2_NO_ERROR))
    else if (sockets.length === 1)
      socket.end(Buffer.concat([goaway(1, 0), head(1), data(1, 'first', END_STREAM)]))
    else socket.write(Buffer.concat([head(id), data(id, 'again', END_STREAM)]))
  })
  transport = connectHttp2(origin)
  const sent = [exchange(transport, { method: 'POST' }), exchange(transport, { method: 'POST' })]
  await until(() => sent.every(({ over }) => over))
  expect(sent.map(({ state, body }) => [state, body])).toEqual([
    ['complete', 'first'],
    ['complete', 'again'],
  ])
})

test('a GOAWAY of an endpoint that is gone then leaves what it has not processed to be tried elsewhere', async () => {
  const leaving = await serveFrames((socket) => {
    leaving.stop()
    socket.write(goaway(0, constants.NGHTTP2_NO_ERROR))
  })
  transport = connectHttp2(leaving.origin)
  const one = exchange(transport, { method: 'POST', body: 'x' })
  await until(() => one.over)
  expect(one.state).toMatchObject({ code: 'ECONNREFUSED' })
  expect(one.attempt.written).toBe(false)
})

describe('PING', () => {
  test('after a request that was given up without an answer: a dead connection is used no more, and ends', async () => {
    const clock = new ManualClock()
    const { origin, sockets } = await serveFrames((socket, id) => {
      if (sockets.length > 1) socket.write(Buffer.concat([head(id), data(id, 'ok', END_STREAM)]))
    })
    const connections = connectHttp2(origin, { clock })
    transport = connections
    const [one, two] = [exchange(connections), exchange(connections)]
    await until(() => one.attempt.written && two.attempt.written)
    await clock.advance(1000)
    one.attempt.cancel(new Error('too late'), 'local_failure')
    const three = exchange(connections)
    await until(() => three.over)
    expect([three.state, sockets.length]).toEqual(['complete', 2])
    await clock.advance(14_999)
    expect(two.state).toBe('open')
    await clock.advance(1)
    await until(() => two.over && sockets[0]?.destroyed === true)
    expect(two.state).toMatchObject({ message: 'the endpoint has not answered a PING within 15000 ms' })
    expect(two.endpoint.outcomes).toEqual([[1, 'local_failure']])
    expect(connections.connections).toBe(1)
  })

  test('as often as it is asked for is no suspicion, until its answer is late', async () => {
    const clock = new ManualClock()
    let pings = 0
    const { origin, sockets } = await serveFrames(
      (socket, id) => socket.write(Buffer.concat([head(id), data(id, 'ok', END_STREAM)])),
      () => {
        pings++
      },
    )
    const connections = connectHttp2(origin, { clock, pingMs: 10_000, keepAliveMs: 86_400_000 })
    transport = connections
    const ask = async (): Promise<number> => {
      const one = exchange(connections)
      await until(() => one.over)
      return sockets.length
    }
    await ask()
    await clock.advance(10_000)
    await until(() => pings === 1)
    await clock.advance(999)
    expect(await ask()).toBe(1)
    await clock.advance(1)
    expect(await ask()).toBe(2)
  })

  test('after one that was answered again: in 30 s, and then each 5 min, while the endpoint says nothing else', async () => {
    const clock = new ManualClock()
    let [requests, pings] = [0, 0]
    const { origin } = await serveFrames(
      () => requests++,
      (socket, payload) => {
        pings++
        socket.write(frame(FRAME.PING, ACK, 0, payload))
      },
    )
    const connections = connectHttp2(origin, { clock, max: 1 })
    transport = connections
    /** A request is given up, so long after the one before; returns the PINGs that there were, its own included. */
    const giveUpAfter = async (ms: number): Promise<number> => {
      const [sent, pinged] = [requests, pings]
      const one = exchange(connections)
      await until(() => requests > sent)
      await clock.advance(ms)
      one.attempt.cancel(new Error('too late'), 'local_failure')
      // Behind a PING, had there been one.
      const next = exchange(connections)
      await until(() => requests > sent + 1)
      next.attempt.cancel(new Error('enough'), 'ignored')
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
      return pings - pinged
    }
    const seen: number[] = []
    for (const ms of [1000, 29_999, 1, 299_999, 1, 299_999, 1]) seen.push(await giveUpAfter(ms))
    expect(seen).toEqual([1, 0, 1, 0, 1, 0, 1])
  })

  test('as often as it is asked for, until there is no answer', async () => {
    const clock = new ManualClock()
    let pings = 0
    const { origin, sockets } = await serveFrames(
      (socket, id) => socket.write(Buffer.concat([head(id), data(id, 'ok', END_STREAM)])),
      (socket, payload) => {
        if (++pings <= 2) socket.write(frame(FRAME.PING, ACK, 0, payload))
      },
    )
    const connections = connectHttp2(origin, { clock, pingMs: 10_000, keepAliveMs: 86_400_000 })
    transport = connections
    const one = exchange(connections)
    await until(() => one.over)
    for (const expected of [1, 2, 3]) {
      await clock.advance(10_000)
      await until(() => pings === expected)
      for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate)
    }
    await clock.advance(15_000)
    await until(() => connections.connections === 0 && sockets[0]?.destroyed === true)
  })
})

test('what an endpoint has not processed goes to another one, whatever it is, and costs its caller nothing', async () => {
  const leaving = await serveFrames((socket) => {
    leaving.stop()
    socket.write(goaway(0, constants.NGHTTP2_NO_ERROR))
  })
  const staying = await serveFrames((socket, id) =>
    socket.write(Buffer.concat([head(id), data(id, 'ok', END_STREAM)])),
  )
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const client = createClient('orders', {
    resolver: fixedResolver([leaving.origin, staying.origin]),
    balancer: 'round_robin',
    connections: { protocol: 'http2' },
    logger: quiet,
  })
  const sent = Array.from({ length: 4 }, () => client.request({ path: '/', method: 'POST', body: 'x' }))
  expect((await Promise.all(sent)).map(({ statusCode }) => statusCode)).toEqual([200, 200, 200, 200])
  expect(leaving.sockets.length).toBe(1)
  await client.dispatcher.destroy()
})

describe('endpoints that refuse every stream', () => {
  const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const refuse = async (): Promise<{ origin: string; count: () => number }> => {
    let streams = 0
    const { origin } = await serveFrames((socket, id) => {
      streams++
      socket.write(reset(id, constants.NGHTTP2_REFUSED_STREAM))
    })
    return { origin, count: () => streams }
  }

  test('are sent no more than the budget for retries allows', async () => {
    const refusing = [await refuse(), await refuse()]
    const client = createClient('orders', {
      resolver: fixedResolver(refusing.map(({ origin }) => origin)),
      connections: { protocol: 'http2' },
      breaker: false,
      outlierDetection: false,
      retry: { budgetRatio: 0, budgetMinPerSecond: 0 },
      logger: quiet,
    })
    const sent = Array.from({ length: 20 }, () => client.request({ path: '/', method: 'POST', body: 'x' }))
    const ended = await Promise.allSettled(sent)
    expect(ended.every(({ status }) => status === 'rejected')).toBe(true)
    expect(refusing.reduce((sum, { count }) => sum + count(), 0)).toBe(20)
    await client.dispatcher.destroy()
  })

  test('are left for others, whatever the request is', async () => {
    const refusing = await refuse()
    const staying = await serveFrames((socket, id) =>
      socket.write(Buffer.concat([head(id), data(id, 'ok', END_STREAM)])),
    )
    const client = createClient('orders', {
      resolver: fixedResolver([refusing.origin, staying.origin]),
      balancer: 'round_robin',
      connections: { protocol: 'http2' },
      logger: quiet,
    })
    const sent = Array.from({ length: 2 }, () => client.request({ path: '/', method: 'POST', body: 'x' }))
    expect((await Promise.all(sent)).map(({ statusCode }) => statusCode)).toEqual([200, 200])
    expect(refusing.count()).toBe(1)
    await client.dispatcher.destroy()
  })
})
