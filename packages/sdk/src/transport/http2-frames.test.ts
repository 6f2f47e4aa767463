import { constants } from 'node:http2'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../test-support/until.test.support.js'
import { ManualClock } from '../testing/index.js'
import { END_HEADERS, END_STREAM, frame, FRAME, serveFrames, STATUS_200, word } from './http2-frames.test.support.js'
import { connectHttp2, exchange } from './http2.test.support.js'
import type { Http2Transport } from './http2.js'

let transport: Http2Transport
afterEach(() => transport.destroy(new Error('over')))

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

test('a connection that ends in the middle of a response cuts it', async () => {
  const { origin } = await serveFrames((socket, id) => socket.end(Buffer.concat([head(id), data(id, 'half')])))
  transport = connectHttp2(origin)
  const one = exchange(transport)
  await until(() => one.over)
  expect(one.state).toMatchObject({ code: 'UND_ERR_SOCKET', message: 'other side closed' })
})

test('a GOAWAY in two steps, as Envoy and Go send it, loses nothing', async () => {
  const { origin, sockets } = await serveFrames((socket, id) => {
    // First of all streams, so that none is lost that is on its way; then of those that have come.
    if (sockets.length === 1 && id === 1) socket.write(goaway(2 ** 31 - 1, constants.NGHTTP2_NO_ERROR))
    else if (sockets.length === 1) socket.end(Buffer.concat([goaway(1, 0), head(1), data(1, 'first', END_STREAM)]))
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

test('a peer that is alive and answers no PING is given up', async () => {
  const clock = new ManualClock()
  const { origin, sockets } = await serveFrames(() => undefined)
  transport = connectHttp2(origin, { clock })
  const [one, two] = [exchange(transport), exchange(transport)]
  await until(() => one.attempt.written && two.attempt.written)
  one.attempt.cancel(new Error('too late'), 'local_failure')
  await clock.advance(15_000)
  await until(() => two.over && sockets[0]?.destroyed === true)
  expect(two.state).toMatchObject({ message: 'the endpoint has not answered a PING within 15000 ms' })
})
