import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  errorOf,
  register,
  Rig,
  serve,
  serveRaw,
  startAgent,
  until,
  type Instance,
} from '#sidecar/testing/rig.test.support.js'

const SHORT_MS = 400

/** A sidecar as an instance. */
function asInstance(rig: Rig): Instance {
  return { port: rig.port, sockets: new Set(), accepted: 0, kill: () => undefined }
}

describe('a service that leads back to the sidecar', () => {
  test('by its own address is never sent anything', async () => {
    const rig = await Rig.start([])
    register(rig.agent, 'orders', asInstance(rig))
    const answer = await rig.send()
    expect(answer.status).toBe(503)
    expect(answer.headers['x-fairlead-error']).toBe('NO_ENDPOINTS')
    expect(errorOf(answer).message).toContain('its address is the one that this sidecar listens on')
    expect(await rig.inspect()).toMatchObject({ endpoints: [], excluded: [{ kind: 'unusable' }] })
  })

  test('through another sidecar is answered after 10 hops, and holds nothing', async () => {
    const agent = await startAgent()
    const first = await Rig.start([], {}, agent)
    const elsewhere = await startAgent()
    const second = await Rig.start([], {}, elsewhere)
    register(agent, 'orders', asInstance(second))
    register(elsewhere, 'orders', asInstance(first))
    const answer = await first.send({ method: 'POST', body: 'hi' })
    expect(answer.status).toBe(508)
    expect(answer.headers['x-fairlead-error']).toBe('LOOP_DETECTED')
    expect(errorOf(answer).message).toContain('has been forwarded by 10 sidecars')
    const requests = async (rig: Rig): Promise<number> => (await rig.inspect()).endpoints[0]?.requests ?? 0
    expect((await requests(first)) + (await requests(second))).toBe(10)
    await first.idle()
    await second.idle()
  })

  test.each(['10', '99999999999'])('hops of %s are too many', async (hops) => {
    const rig = await Rig.start([await serve((_, response) => response.end())])
    expect((await rig.send({ headers: { host: 'orders', 'fairlead-hops': hops } })).status).toBe(508)
  })

  test.each(['evil', '-1', '', '1.5', '10, 3', ['1', '1']])('hops of %j are not a number', async (hops) => {
    const rig = await Rig.start([await serve((_, response) => response.end())])
    const answer = await rig.send({ headers: { host: 'orders', 'fairlead-hops': hops } })
    expect([answer.status, errorOf(answer).message]).toEqual([
      400,
      `the request cannot be forwarded: its fairlead-hops is "${[hops].flat().join(', ')}": it must be one number, the count of sidecars that have forwarded the request; or omit it`,
    ])
  })
})

describe('an application that stops', () => {
  test.each([
    ['within a short body', 'Content-Length: 10\r\n\r\nhel'],
    ['before a short body', 'Content-Length: 10\r\n\r\n'],
    ['within a long one', 'Content-Length: 1000000\r\n\r\nhel'],
    ['within chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhel'],
  ])('%s: 408, and the end', async (_, rest) => {
    const rig = await Rig.start([await serve((request) => request.resume())], {
      applicationTimeoutMs: SHORT_MS,
    })
    const connection = rig.raw(`POST / HTTP/1.1\r\nHost: orders\r\n${rest}`)
    const said = await connection.end()
    expect(connection.statuses).toEqual([408])
    expect(said).toContain('x-fairlead-error: REQUEST_TIMEOUT')
    expect(rig.log.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('the application has stopped sending a request body (--application-timeout)'),
    )
    await rig.idle()
  })

  test.each([
    ['within chunks', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['within a long body', 'Content-Length: 1000000\r\n\r\nhello'],
  ])('%s, until the deadline: the instance is not to blame', async (_, rest) => {
    let taken = 0
    const instance = await serve((request) => request.on('data', (chunk: Buffer) => (taken += chunk.length)))
    const rig = await Rig.start([instance], { timeoutMs: SHORT_MS })
    const connection = rig.raw(`POST / HTTP/1.1\r\nHost: orders\r\n${rest}`)
    await connection.has('DEADLINE_EXCEEDED')
    expect(connection.statuses).toEqual([504])
    expect(taken).toBe(5)
    expect((await rig.inspect()).endpoints).toMatchObject([
      { availability: { state: 'available' }, failures: 0, requests: 1 },
    ])
  })

  test('within a body that has been answered before its end: the connection ends, and no line says 408', async () => {
    const early = await serveRaw((socket) =>
      socket.once('data', () => socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n')),
    )
    const rig = await Rig.start([early], { applicationTimeoutMs: SHORT_MS })
    const connection = rig.raw('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 100000000\r\n\r\nhel')
    await connection.end()
    expect(connection.statuses).toEqual([413])
    const lines = rig.log
      .filter(({ level }) => level === 'warn')
      .map(({ fields, message }) => ({ ...fields, message }))
    expect(lines).toContainEqual(
      expect.objectContaining({
        message: expect.stringContaining(
          'has stopped sending a request body (--application-timeout)',
        ) as string,
      }),
    )
    expect(JSON.stringify(lines)).not.toContain('408')
  })

  test('reading a response: its connection ends, and the instance is let go', async () => {
    const instance = await serve((_, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (response.write('x'.repeat(65_536)));
        response.once('drain', more)
      }
      more()
    })
    const rig = await Rig.start([instance], { applicationTimeoutMs: SHORT_MS })
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await connection.has('200 OK')
    connection.socket.pause()
    await until('the instance is let go', () => instance.sockets.size === 0)
    await rig.idle()
    expect(rig.log.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('the application has stopped reading a response (--application-timeout)'),
    )
  })

  test.each([
    ['waiting for a slow response', 'GET', ''],
    ['waiting with its request sent', 'POST', 'Content-Length: 2\r\n\r\nhi'],
  ])('%s has not stopped', async (_, method, rest) => {
    let answer = (): void => undefined
    const rig = await Rig.start(
      [await serve((_request, response) => (answer = () => response.end('late')))],
      {
        applicationTimeoutMs: 50,
      },
    )
    const connection = rig.raw(`${method} / HTTP/1.1\r\nHost: orders\r\n${rest === '' ? '\r\n' : rest}`)
    // Many times the limit, told by another request's going through it.
    const stopped = rig.raw('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 9\r\n\r\n')
    await stopped.end()
    expect(stopped.statuses).toEqual([408])
    answer()
    await connection.has('late')
    expect(connection.statuses).toEqual([200])
  })
})

describe('a silent event stream', () => {
  const events = (): Promise<Instance> =>
    serveRaw((socket) =>
      socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')),
    )

  test('is cut after --body-timeout, and the log says by what', async () => {
    // undici looks at its timers twice a second.
    const rig = await Rig.start([await events()], { bodyTimeoutMs: 1100 })
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await connection.has('text/event-stream')
    await connection.end()
    expect(connection.received).not.toContain('\r\n0\r\n')
    const cut = rig.log.find(({ message }) => message.startsWith('response aborted'))
    expect(cut?.message).toContain('--body-timeout')
  })

  test('goes on where that is 0', async () => {
    const [silent, limited] = await Promise.all([
      Rig.start([await events()], { bodyTimeoutMs: 0 }),
      Rig.start([await events()], { bodyTimeoutMs: 1100 }),
    ])
    const connection = silent.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await connection.has('text/event-stream')
    const other = limited.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await other.end()
    expect(connection.closed).toBe(false)
    connection.socket.destroy()
    await once(connection.socket, 'close')
  })
})
