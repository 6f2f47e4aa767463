import { createHash } from 'node:crypto'
import { once } from 'node:events'
import * as http from 'node:http'
import { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { respondError } from '../inbound/error-writer.js'
import { Gate, received, Rig, serve, serveText, settled, until } from '../testing/rig.test.support.js'

const MIB = 1024 * 1024

/** Says what it was sent. */
const echo: http.RequestListener = (request, response) => {
  void text(request).then((body) => {
    const { method, url, rawHeaders } = request
    // In Latin-1, so that a byte stays a character.
    response.end(JSON.stringify({ method, url, rawHeaders, body }), 'latin1')
  })
}

interface Echo {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  readonly body: string
}

function echoed(said: string): Echo {
  return JSON.parse(said) as Echo
}

describe('a request', () => {
  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    '%s arrives as it was sent',
    async (method) => {
      const rig = await Rig.start([await serve(echo)])
      const answer = await rig.send({ method, path: '/v1/orders/42?q=%2f' })
      expect(answer.status).toBe(200)
      expect(echoed(answer.text)).toMatchObject({ method, url: '/v1/orders/42?q=%2f', body: '' })
    },
  )

  const chunked = { 'transfer-encoding': 'chunked' }

  test.each([
    ['a short one', 'x', { 'content-length': 1 }],
    ['as long as is kept for another attempt', 'y'.repeat(65_536), { 'content-length': 65_536 }],
    ['a longer one', 'z'.repeat(65_537), { 'content-length': 65_537 }],
    ['of unknown length', 'chunked', chunked],
    ['of unknown length and empty', '', chunked],
    ['empty', '', { 'content-length': 0 }],
  ])('its body arrives: %s', async (_, body, framing) => {
    const rig = await Rig.start([await serve(echo)])
    for (const method of ['POST', 'PUT']) {
      const answer = await rig.send({ method, headers: { host: 'orders', ...framing }, body })
      expect(echoed(answer.text).body).toBe(body)
    }
  })

  test('its headers arrive in order and spelling, without what is for this hop', async () => {
    const rig = await Rig.start([await serve(echo)])
    const connection = rig.raw(
      'GET /x HTTP/1.1\r\nX-First: 1\r\nHost: Orders.service.consul:80\r\nCookie: a=1\r\ncOOkie: b=2\r\n' +
        'X-Hop: secret\r\nConnection: close, X-Hop\r\nTE: trailers\r\nProxy-Authorization: secret\r\n' +
        'fairlead-service: \r\nX-Bytes: caf\u00e9\r\n\r\n',
    )
    const said = echoed((await connection.end()).split('\r\n\r\n')[1] ?? '')
    expect(said.rawHeaders).toEqual([
      ...['host', 'Orders.service.consul:80', 'connection', 'keep-alive', 'fairlead-hops', '1'],
      ...['X-First', '1', 'Cookie', 'a=1', 'cOOkie', 'b=2', 'X-Bytes', 'caf\u00e9'],
    ])
  })

  test('an absolute target arrives as a path', async () => {
    const rig = await Rig.start([await serve(echo)])
    const answer = await rig.send({ path: 'http://orders/a/../b?q=1', headers: { host: 'elsewhere' } })
    expect(echoed(answer.text).url).toBe('/a/../b?q=1')
  })

  test('Expect: 100-continue is answered here, and ends here', async () => {
    const rig = await Rig.start([await serve(echo)])
    const connection = rig.raw(
      'POST / HTTP/1.1\r\nHost: orders\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n',
    )
    await connection.has('HTTP/1.1 100 Continue\r\n\r\n')
    connection.write('hello')
    const said = await connection.end()
    expect(connection.statuses).toEqual([100, 200])
    expect(said).toContain('"body":"hello"')
    expect(said).not.toContain('100-continue')
  })
})

describe('a response', () => {
  test('its status, reason and headers arrive as the instance wrote them', async () => {
    const rig = await Rig.start([
      await serveText(
        'HTTP/1.1 299 So to say\r\nSet-Cookie: a=1\r\nX-Bytes: caf\u00e9\r\nset-cookie: b=2\r\nX-Hop: secret\r\n' +
          'Connection: close, X-Hop\r\nKeep-Alive: timeout=9\r\nContent-Length: 2\r\nDate: today\r\n\r\nhi',
      ),
    ])
    const answer = await rig.send()
    expect([answer.status, answer.statusMessage, answer.text]).toEqual([299, 'So to say', 'hi'])
    expect(answer.rawHeaders).toEqual([
      ...[
        'Set-Cookie',
        'a=1',
        'X-Bytes',
        'caf\u00e9',
        'set-cookie',
        'b=2',
        'Content-Length',
        '2',
        'Date',
        'today',
      ],
      ...['Connection', 'close'],
    ])
  })

  test.each([
    ['in UTF-8', 'Z\u00c5\u0082e', 'Z\u00c5\u0082e'],
    ['beyond Latin-1', '\u00e6\u0097\u00a5', '\u00e6\u0097\u00a5'],
    ['none', '', ''],
  ])('a reason phrase %s arrives byte for byte', async (_, reason, expected) => {
    const rig = await Rig.start([await serveText(`HTTP/1.1 200 ${reason}\r\nContent-Length: 2\r\n\r\nhi`)])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n')
    const said = await connection.end()
    expect(said.split('\r\n')[0]).toBe(`HTTP/1.1 200 ${expected}`)
    expect(said.endsWith('\r\n\r\nhi')).toBe(true)
  })

  test('a reason phrase that is not UTF-8 does not cost the response', async () => {
    const rig = await Rig.start([await serveText('HTTP/1.1 200 Caf\u00e9\r\nContent-Length: 2\r\n\r\nhi')])
    expect(await rig.send()).toMatchObject({ status: 200, text: 'hi' })
  })

  test.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 200, 'Content-Length: 5'],
    ['HEAD', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 200, ''],
    ['GET', 'HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n', 204, 'X-A: 1'],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', 304, 'ETag: "1"'],
    // RFC 9110, 8.6: the length that 200 would have had.
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 304, 'Content-Length: 5'],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 200, 'Content-Length: 0'],
  ])('to %s has no body: %j', async (method, head, status, header) => {
    const rig = await Rig.start([await serveText(head, false)])
    const connection = rig.raw(`${method} /1 HTTP/1.1\r\nHost: orders\r\n\r\n`)
    await connection.has('\r\n\r\n')
    await rig.idle()
    // The connection lives on, and nothing of a body stands before the next response on it.
    connection.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    const [first, second] = (await connection.end()).split('\r\n\r\n')
    expect(connection.statuses).toEqual([status, 400])
    expect(first).toContain(header)
    expect(second).toMatch(/^HTTP\/1.1 400/)
  })

  test('interim responses stay on their hop', async () => {
    const rig = await Rig.start([
      await serveText(
        'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi',
      ),
    ])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n')
    expect(await connection.end()).not.toContain('Link')
    expect(connection.statuses).toEqual([200])
  })

  test('its trailers arrive, without those for this hop', async () => {
    const rig = await Rig.start([
      await serve((_, response) => {
        response.writeHead(200, { trailer: 'X-Sum, X-Sum' })
        response.write('hi')
        response.addTrailers([
          ['X-Sum', '1'],
          ['X-Other', 'caf\u00e9'],
          ['Keep-Alive', 'x'],
        ])
        response.end()
      }),
    ])
    const answer = await rig.send()
    expect(answer.text).toBe('hi')
    expect(answer.trailers).toEqual({ 'x-sum': '1', 'x-other': 'caf\u00e9' })
  })

  test('without a length it ends with its connection', async () => {
    const rig = await Rig.start([await serveText('HTTP/1.1 200 OK\r\n\r\nuntil the end')])
    expect((await rig.send()).text).toBe('until the end')
  })

  test('to HTTP/1.0 it is not chunked', async () => {
    const rig = await Rig.start([
      await serve((_, response) => {
        response.write('one ')
        response.end('two')
      }),
    ])
    const said = await rig.raw('GET / HTTP/1.0\r\nHost: orders\r\n\r\n').end()
    expect(said.toLowerCase()).not.toContain('transfer-encoding')
    expect(said.endsWith('\r\n\r\none two')).toBe(true)
  })

  test.each([1, 100, 16 * 1024, 16 * 1024 + 1, 300_000])('of %i bytes arrives whole', async (size) => {
    const sent = Buffer.alloc(size, 'caf\u00e9\n', 'latin1')
    const rig = await Rig.start([
      await serve((_, response) => {
        response.setHeader('content-length', size)
        response.end(sent)
      }),
    ])
    expect((await rig.send()).body.equals(sent)).toBe(true)
  })

  test('arrives chunk by chunk', async () => {
    const seen = new Gate()
    const rig = await Rig.start([
      await serve((_, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write('data: 1\n\n')
        void seen.opened.then(() => response.end('data: 2\n\n'))
      }),
    ])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n')
    await connection.has('data: 1\n\n')
    expect(connection.received).not.toContain('data: 2')
    seen.open()
    expect(await connection.end()).toContain('data: 2\n\n')
  })

  test('its head arrives before its body', async () => {
    const seen = new Gate()
    const rig = await Rig.start([
      await serve((_, response) => {
        response.writeHead(200, { 'x-head': '1' })
        response.flushHeaders()
        void seen.opened.then(() => response.end('body'))
      }),
    ])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n')
    await connection.has('x-head: 1')
    seen.open()
    expect(await connection.end()).toContain('body')
  })
})

/** A body of many chunks, each with its number in it: order and loss both show in the digest. */
function* chunks(total: number, size: number): Generator<Buffer> {
  for (let at = 0; at < total; at += size) yield Buffer.alloc(size, `${at} `)
}

function digest(total: number, size: number): string {
  const hash = createHash('sha1')
  for (const chunk of chunks(total, size)) hash.update(chunk)
  return hash.digest('hex')
}

describe('backpressure', () => {
  const TOTAL = 64 * MIB
  const CHUNK = 64 * 1024
  // Two hops of socket buffers, and what streams hold; without backpressure all of TOTAL would be taken.
  const BOUND = 24 * MIB

  /** Writes as long as the stream takes more, and waits while it does not. */
  async function pump(stream: http.OutgoingMessage, count: (bytes: number) => void): Promise<void> {
    for (const chunk of chunks(TOTAL, CHUNK)) {
      count(chunk.length)
      if (!stream.write(chunk)) await once(stream, 'drain')
    }
    stream.end()
  }

  test('a client that does not read stops the instance', async () => {
    let written = 0
    const rig = await Rig.start([
      await serve((_, response) => void pump(response, (bytes) => (written += bytes))),
    ])
    const request = http.get({
      host: '127.0.0.1',
      port: rig.port,
      headers: { host: 'orders' },
      agent: false,
    })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    expect(await settled('what the instance writes', () => written)).toBeLessThan(BOUND)

    const hash = createHash('sha1')
    for await (const chunk of response) hash.update(chunk as Buffer)
    expect(hash.digest('hex')).toBe(digest(TOTAL, CHUNK))
    await rig.idle()
  })

  test('an instance that does not read stops the client', async () => {
    let written = 0
    const read = new Gate()
    const rig = await Rig.start([
      await serve((request, response) => {
        void read.opened.then(async () => {
          const hash = createHash('sha1')
          for await (const chunk of request) hash.update(chunk as Buffer)
          response.end(hash.digest('hex'))
        })
      }),
    ])
    const request = http.request({
      host: '127.0.0.1',
      port: rig.port,
      method: 'POST',
      headers: { host: 'orders' },
      agent: false,
    })
    const sending = pump(request, (bytes) => (written += bytes))
    expect(await settled('what the client writes', () => written)).toBeLessThan(BOUND)

    read.open()
    const answer = await received(request)
    expect(answer.text).toBe(digest(TOTAL, CHUNK))
    await sending
  })
})

describe('connections', () => {
  test('are kept and used again on both sides', async () => {
    const upstream = await serve(echo)
    const rig = await Rig.start([upstream])
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const sockets = new Set<unknown>()
    for (let round = 0; round < 5; round++) {
      const request = http.request({
        host: '127.0.0.1',
        port: rig.port,
        method: round % 2 === 0 ? 'GET' : 'POST',
        headers: { host: 'orders' },
        agent,
      })
      request.on('socket', (socket) => sockets.add(socket))
      request.end(round % 2 === 0 ? undefined : 'body')
      expect((await received(request)).status).toBe(200)
      // undici takes a connection back one turn after the response has ended.
      await rig.idle()
    }
    expect(sockets.size).toBe(1)
    expect(upstream.accepted).toBe(1)
  })

  test('many at once all get their own answer', async () => {
    const rig = await Rig.start([await serve(echo), await serve(echo)])
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        rig.send({ method: 'POST', path: `/${index}`, body: `body ${index}` }),
      ),
    )
    answers.forEach((answer, index) =>
      expect(echoed(answer.text)).toMatchObject({ url: `/${index}`, body: `body ${index}` }),
    )
    await rig.idle()
  })

  test('pipelined requests are answered in their order', async () => {
    const slow = new Gate()
    const rig = await Rig.start([
      await serve((request, response) => {
        if (request.url === '/1') void slow.opened.then(() => response.end('first'))
        else response.end('second', slow.open)
      }),
    ])
    const connection = rig.raw(
      'GET /1 HTTP/1.1\r\nHost: orders\r\n\r\nGET /2 HTTP/1.1\r\nHost: orders\r\nConnection: close\r\n\r\n',
    )
    expect(await connection.end()).toMatch(/first[^]*second/)
  })
})

describe('a client that goes away', () => {
  test('in the middle of a response: the instance is let go', async () => {
    const closed = new Gate()
    const upstream = await serve((_, response) => {
      response.on('close', closed.open)
      response.write('begun')
    })
    const rig = await Rig.start([upstream])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await connection.has('begun')
    expect(await rig.inflight()).toBe(1)
    connection.socket.resetAndDestroy()
    await closed.opened
    await rig.idle()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ requests: 1, failures: 0 })
  })

  test('while it waits for the head: the instance is let go', async () => {
    const arrived = new Gate()
    const closed = new Gate()
    const rig = await Rig.start([
      await serve((_, response) => {
        response.on('close', closed.open)
        arrived.open()
      }),
    ])
    const connection = rig.raw('GET / HTTP/1.1\r\nHost: orders\r\n\r\n')
    await arrived.opened
    connection.socket.resetAndDestroy()
    await closed.opened
    await rig.idle()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ failures: 0 })
  })

  test('in the middle of an upload: the instance is let go', async () => {
    const begun = new Gate()
    const closed = new Gate()
    const rig = await Rig.start([
      await serve((request) => {
        request.once('data', begun.open)
        request.on('error', () => undefined)
        request.on('close', closed.open)
      }),
    ])
    const connection = rig.raw(
      'POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    await begun.opened
    connection.socket.destroy()
    await closed.opened
    await rig.idle()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ failures: 0 })
  })

  test('in the middle of a short body: no instance ever hears of it', async () => {
    const upstream = await serve(echo)
    const rig = await Rig.start([upstream])
    const gone = rig.raw('POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 9\r\n\r\nhello')
    await once(gone.socket, 'connect')
    gone.socket.destroy()
    await rig.send()
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ requests: 1 })
  })

  test('while discovery is waited for, with an upload under way: nothing is left over', async () => {
    const upstream = await serve(echo)
    const rig = await Rig.start([upstream])
    rig.agent.silence()
    const connection = rig.raw(
      'POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
    await until('the agent is asked', () => rig.agent.held > 0)
    connection.socket.destroy()
    await once(connection.socket, 'close')
    rig.agent.speak()
    expect((await rig.send()).status).toBe(200)
    expect((await rig.inspect()).endpoints[0]).toMatchObject({ requests: 1, inflight: 0 })
  })

  test('with requests in the pipeline: all of them are let go', async () => {
    let open = 0
    const rig = await Rig.start([
      await serve((_, response) => {
        open++
        response.on('close', () => open--)
      }),
    ])
    const connection = rig.raw(
      'GET /1 HTTP/1.1\r\nHost: orders\r\n\r\nGET /2 HTTP/1.1\r\nHost: orders\r\n\r\n',
    )
    await until('both have arrived', () => open === 2)
    connection.socket.resetAndDestroy()
    await until('both are let go', () => open === 0)
    await rig.idle()
  })
})

test('what looks like a second request in a path or a header is refused or kept as data', async () => {
  const seen: string[] = []
  const rig = await Rig.start([
    await serve((request, response) => {
      seen.push(`${String(request.method)} ${String(request.url)}`)
      response.end()
    }),
  ])
  for (const attempt of [
    'GET /a%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET /%00 HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET //evil//x HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET /"|<>{}^` HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET /../../etc/passwd HTTP/1.1\r\nHost: orders\r\n\r\n',
  ]) {
    const connection = rig.raw(attempt.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
    await connection.end()
    expect(connection.statuses).toEqual([200])
  }
  expect(seen).toEqual([
    'GET /a%0d%0aX-Evil:%201',
    'GET /%00',
    'GET //evil//x',
    'GET /"|<>{}^`',
    'GET /../../etc/passwd',
  ])

  for (const attempt of [
    'GET /\u0001 HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET /a b HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET /caf\u00e9 HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET /\u0000 HTTP/1.1\r\nHost: orders\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: orders\r\nX-A: a\rX-Evil: 1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: orders\r\nX-A: a\u0000b\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: orders\r\n X-Folded: 1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: orders\r\nX A: 1\r\n\r\n',
    'POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /evil HTTP/1.1\r\n',
    'POST / HTTP/1.1\r\nHost: orders\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello',
    'POST / HTTP/1.1\r\nHost: orders\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: orders\r\nfairlead-service: a b\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: ord\u00e9rs\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: orders@evil\r\nConnection: close\r\n\r\n',
    'garbage\r\n\r\n',
  ]) {
    const connection = rig.raw(attempt)
    await connection.has(/^HTTP\/1\.1 400 Bad Request\r\n/)
  }
  expect(seen).toHaveLength(5)
  // It has survived all of that.
  expect((await rig.send()).status).toBe(200)
})

test('a head that could not be written does not stand in the way of saying so', () => {
  const response = new http.ServerResponse(new http.IncomingMessage(new Socket()))
  expect(() => response.writeHead(200, 'Z\u0142e')).toThrow('Invalid character in statusMessage')
  respondError(
    response,
    { status: 500, code: 'INTERNAL', message: 'why', service: undefined },
    () => undefined,
  )
  expect([response.statusCode, response.statusMessage]).toEqual([500, 'Internal Server Error'])
})
