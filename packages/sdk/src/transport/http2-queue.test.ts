import { once } from 'node:events'
import { constants } from 'node:http2'
import { connect } from 'node:net'
import { errors } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import { until } from '../test-support/until.test.support.js'
import { http2Connector } from './http2-connect.js'
import { connectHttp2, exchange, Http2Upstream } from './http2.test.support.js'
import type { Http2Options, Http2Transport } from './http2.js'

let upstream: Http2Upstream
let transport: Http2Transport
afterEach(async () => {
  await transport.destroy(new Error('over'))
  upstream.close()
})

/** One connection, one stream on it: all others wait. */
async function serveOneAtATime(options: Partial<Http2Options> = {}): Promise<void> {
  upstream = new Http2Upstream({ settings: { maxConcurrentStreams: 1 } })
  transport = connectHttp2(await upstream.listen(), { max: 1, ...options })
}

describe('requests that wait', () => {
  test('however many of them cannot be sent, the last one is', async () => {
    await serveOneAtATime()
    const first = exchange(transport)
    await until(() => upstream.waiting.length === 1)
    const unsendable = Array.from({ length: 5000 }, () => exchange(transport, { headers: ['x a', 'b'] }))
    const last = exchange(transport)
    upstream.onStream = () => upstream.answer()
    upstream.answer()
    await until(() => first.over && last.over)
    expect([first.state, last.state]).toEqual(['complete', 'complete'])
    expect(unsendable.every(({ state }) => state instanceof errors.InvalidArgumentError)).toBe(true)
  })

  test('one that cannot be sent once it is established lets none pass another', async () => {
    upstream = new Http2Upstream({ settings: { maxConcurrentStreams: 2 } })
    transport = connectHttp2(await upstream.listen(), { max: 1 })
    const seen: unknown[] = []
    upstream.server.on('stream', (_stream, head) => seen.push(head[':path']))
    exchange(transport, { headers: ['x a', 'b'] })
    // Before SETTINGS have come, 100 are assigned to it, and the others wait.
    for (let n = 1; n <= 105; n++) exchange(transport, { path: `/${n}` })
    await until(() => seen.length === 2)
    upstream.answer()
    await until(() => seen.length === 3)
    expect(seen).toEqual(['/1', '/2', '/3'])
  })

  test.each(['reset', 'ended'])('go to the next connection where theirs is %s', async (how) => {
    await serveOneAtATime()
    const first = exchange(transport)
    const rest = Array.from({ length: 7 }, () => exchange(transport, { method: 'POST', body: 'x' }))
    await until(() => upstream.waiting.length === 1)
    upstream.onStream = () => upstream.answer()
    if (how === 'reset') upstream.sockets[0]?.resetAndDestroy()
    else upstream.sockets[0]?.destroy()
    await until(() => [first, ...rest].every(({ over }) => over))
    expect(first.state).toBeInstanceOf(Error)
    expect(rest.map(({ state, endpoint }) => [state, endpoint.outcomes, endpoint.unreached])).toEqual(
      rest.map(() => ['complete', [[1, 'success']], []]),
    )
    expect(upstream.sessions.length).toBe(2)
  })

  test('fail unwritten where the endpoint is to be left, whether they wait for a stream or for a connection', async () => {
    await serveOneAtATime()
    const sent = exchange(transport)
    await until(() => upstream.waiting.length === 1)
    const queued = exchange(transport)
    const connecting = connectHttp2('http://10.0.0.1:80', { connector: () => () => () => undefined })
    const assigned = exchange(connecting)
    const reason = new Error('unavailable')
    for (const each of [transport, connecting]) each.unqueue(reason)
    expect([sent.state, queued.state, assigned.state]).toEqual(['open', reason, reason])
    expect([queued.attempt.written, assigned.attempt.written]).toEqual([false, false])
    await connecting.destroy(reason)
    upstream.answer()
    await until(() => sent.over)
    expect(sent.state).toBe('complete')
  })

  test('go to another one where theirs takes no more, however long its last stream lasts', async () => {
    await serveOneAtATime()
    const long = exchange(transport)
    const behind = exchange(transport)
    await until(() => upstream.waiting.length === 1)
    upstream.sessions[0]?.goaway(constants.NGHTTP2_NO_ERROR, upstream.streams[0]?.id)
    await until(() => upstream.streams.length === 2)
    upstream.streams[1]?.respond({ ':status': 204 }, { endStream: true })
    await until(() => behind.over)
    expect([long.state, behind.state]).toEqual(['open', 'complete'])
  })
})

test('a request that is sent as its connection breaks goes to the next one', async () => {
  upstream = new Http2Upstream()
  const origin = await upstream.listen()
  transport = connectHttp2(origin)
  const first = exchange(transport)
  const failed = first.onFailure.bind(first)
  const late: ReturnType<typeof exchange>[] = []
  first.onFailure = (attempt, error) => {
    failed(attempt, error)
    late.push(exchange(transport, { method: 'POST', body: 'x' }))
  }
  await until(() => upstream.waiting.length === 1)
  upstream.onStream = () => upstream.answer()
  upstream.sockets[0]?.resetAndDestroy()
  await until(() => late[0]?.over === true)
  expect(late[0]?.state).toBe('complete')
})

test.each(['destroyed', 'closed'])('a transport that is %s aborts what it is connecting', async (how) => {
  upstream = new Http2Upstream()
  const reasons: Error[] = []
  transport = connectHttp2('http://10.0.0.1:80', {
    connector: () => () => (reason) => void reasons.push(reason),
  })
  transport.preconnect(1)
  await Promise.resolve()
  await (how === 'closed' ? transport.close() : transport.destroy(new Error('over')))
  expect(reasons.length).toBe(1)
  expect(transport.connections).toBe(0)
})

test('a connection that is cancelled as soon as it stands ends quietly', async () => {
  upstream = new Http2Upstream()
  const { port } = new URL(await upstream.listen())
  transport = connectHttp2(`http://127.0.0.1:${port}`)
  const socket = connect(Number(port), '127.0.0.1')
  await once(socket, 'connect')
  const results: unknown[] = []
  const connector = http2Connector(
    (_target, callback) => {
      callback(null, socket)
      return (reason) => void socket.destroy(reason)
    },
    16_384,
    (spoken) => results.push(spoken),
  )
  socket.on('error', () => undefined)
  const abort = connector({ protocol: 'http:', hostname: '127.0.0.1', port }, () => undefined)
  abort(new Error('over'))
  await until(() => upstream.sockets.length === 1 && upstream.open === 0)
  expect(results).toEqual([])
})
