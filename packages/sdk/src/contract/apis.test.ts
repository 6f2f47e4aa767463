import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { pipeline as joined } from 'node:stream/promises'
import { createHash } from 'node:crypto'
import type { Duplex } from 'node:stream'
import type { IncomingMessage } from 'node:http'
import { describe } from 'vitest'
import { EventSource, fetch, FormData, WebSocket, type Dispatcher } from 'undici'
import { compare, type Comparison } from './compare.test.support.js'
import { echo, type Behaviour, type ServerScript } from './server.test.support.js'
import { turns, type Scenario, type Subject } from './subjects.test.support.js'
import { errorText, headersText } from './trace.test.support.js'

const agent = { against: 'Agent' } as const

const passing: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, handler)

/** A case alone, and behind an interceptor. */
function both(name: string, comparison: Comparison, scenario: Scenario): void {
  compare(name, comparison, scenario)
  compare(`${name}, behind an interceptor`, comparison, (subject) =>
    scenario({ ...subject, dispatcher: subject.dispatcher.compose(passing) }),
  )
}

/** Notes how a promise has settled. */
async function noted({ trace }: Subject, promise: Promise<unknown>): Promise<void> {
  const text = await promise.then(
    (value) => (typeof value === 'string' ? value : JSON.stringify(value)),
    (error: unknown) => errorText(error),
  )
  trace.caller.push(text)
}

class Sink extends Writable {
  readonly chunks: Buffer[] = []

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.chunks.push(chunk)
    done()
  }
}

const answers: Behaviour = (request, response, body, nth) => {
  if (request.url === '/reset') return void request.socket.destroy()
  if (request.url === '/cut') {
    response.writeHead(200, { 'content-length': 10 }).write('12345')
    return void setTimeout(() => request.socket.destroy(), 10)
  }
  if (request.url === '/302') return void response.writeHead(302, { location: '/to' }).end()
  if (request.url === '/long') return void response.end('y'.repeat(300_000))
  echo(request, response, body, nth)
}
const server = { answers }

describe('request', () => {
  const options: Readonly<Record<string, Partial<Dispatcher.RequestOptions>>> = {
    'with a query': { query: { a: 1, b: ['x', 'y'] } },
    'with raw headers': { responseHeaders: 'raw' },
    'that goes away': { path: '/reset' },
    'that is cut': { path: '/cut' },
    'of a HEAD': { method: 'HEAD' },
    'with reset': { reset: true },
    'with an own host': { headers: { host: 'elsewhere:1' } },
    'that says close': { headers: { connection: 'close' } },
    'by CONNECT, which it is not for': { method: 'CONNECT' },
    'with an invalid signal': { signal: {} },
  }
  for (const [name, each] of Object.entries(options)) {
    both(name, { server }, async (subject) => {
      const asked = subject.dispatcher.request({ path: '/', method: 'GET', ...each })
      const read = asked.then(async ({ statusCode, headers, trailers, body }) => {
        const text = await body.text()
        const raw = Array.isArray(headers) ? `raw ${headers.length}` : headersText(headers)
        return `${statusCode} ${raw} ${text} ${headersText(trailers)}`
      })
      await noted(subject, read)
    })
  }
  both('with a callback', { server }, async (subject) => {
    const got = await new Promise<string>((resolve) => {
      subject.dispatcher.request({ path: '/', method: 'GET', opaque: 'mine' }, (error, data) => {
        data.body.resume()
        resolve(`${String(error)} ${data.statusCode} ${data.opaque}`)
      })
    })
    subject.trace.caller.push(got)
  })
  both('with onInfo', { server: { answers: early } }, async (subject) => {
    const onInfo = ({ statusCode }: { statusCode: number }): void =>
      void subject.trace.caller.push(`info ${statusCode}`)
    const { body } = await subject.dispatcher.request({
      path: '/',
      method: 'GET',
      onInfo,
    })
    await noted(subject, body.text())
  })
})

function early(_request: IncomingMessage, response: Parameters<Behaviour>[1]): void {
  response.writeEarlyHints({ link: '</a.css>; rel=preload' })
  response.writeProcessing()
  response.end('late')
}

describe('stream', () => {
  for (const path of ['/', '/long', '/reset', '/cut']) {
    both(`of ${path}`, { server }, async (subject) => {
      const sink = new Sink()
      const streamed = subject.dispatcher.stream({ path, method: 'PUT', body: 'up' }, () => sink)
      await noted(
        subject,
        streamed.then(() => `${Buffer.concat(sink.chunks).length} bytes`),
      )
      subject.trace.caller.push(`sink destroyed ${sink.destroyed}, ${errorText(sink.errored)}`)
    })
  }
  both('into what fails', { server }, async (subject) => {
    const failing = new Writable({ write: (_chunk, _encoding, done) => done(new Error('disk full')) })
    failing.on('error', () => undefined)
    await noted(
      subject,
      subject.dispatcher.stream({ path: '/long', method: 'GET' }, () => failing),
    )
  })
  both('into nothing', { server }, async (subject) => {
    await noted(
      subject,
      subject.dispatcher.stream({ path: '/', method: 'GET' }, () => undefined as never),
    )
  })
  both('by a factory that throws', { server }, async (subject) => {
    const failing = (): never => {
      throw new Error('no sink')
    }
    await noted(subject, subject.dispatcher.stream({ path: '/', method: 'GET' }, failing))
  })
})

describe('pipeline', () => {
  for (const path of ['/', '/long', '/reset', '/cut']) {
    both(`of ${path}`, { server }, async (subject) => {
      const sink = new Sink()
      const piped = subject.dispatcher.pipeline({ path, method: 'PUT' }, ({ body }) => body)
      const source = Readable.from(['a', 'b'])
      await noted(
        subject,
        joined(source, piped, sink).then(() => `${Buffer.concat(sink.chunks).length} bytes`),
      )
    })
  }
  both('by a handler that throws', { server }, async (subject) => {
    const piped = subject.dispatcher.pipeline({ path: '/', method: 'PUT' }, () => {
      throw new Error('no way on')
    })
    await noted(subject, joined(Readable.from(['a']), piped, new Sink()))
  })
  both(
    'of a body that is destroyed',
    { server: { answers: () => undefined, countsBodies: false } },
    async (subject) => {
      const piped = subject.dispatcher.pipeline({ path: '/', method: 'PUT' }, ({ body }) => body)
      piped.write('a')
      await subject.server.begun(1)
      piped.destroy(new Error('enough'))
      await noted(
        subject,
        once(piped, 'close').then(() => 'closed'),
      )
    },
  )
})

describe('a body that the caller pipes in hears why', () => {
  for (const [name, script] of Object.entries({
    'the server resets': {
      answers: (request) => void request.once('data', () => request.socket.resetAndDestroy()),
    },
    'the server closes': { answers: (request) => void request.once('data', () => request.socket.destroy()) },
  } satisfies Record<string, ServerScript>)) {
    both(name, { server: { ...script, countsBodies: false } }, async (subject) => {
      const body = new PassThrough()
      const asked = subject.dispatcher.request({ path: '/', method: 'POST', body })
      const feeding = joined(async function* () {
        for (;;) {
          yield 'x'.repeat(1000)
          await turns(1)
        }
      }, body)
      await Promise.all([noted(subject, asked), noted(subject, feeding)])
      subject.trace.caller.sort()
    })
  }
})

const speaks = (request: IncomingMessage, socket: Duplex): void => {
  if (request.method === 'CONNECT') {
    const status =
      request.url?.startsWith('refused') === true ? '407 Proxy Authentication Required' : '200 OK'
    socket.write(`HTTP/1.1 ${status}\r\nx-via: test\r\n\r\n`)
  } else {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\nfirst ')
  }
  socket.on('data', (data) => socket.write(`got ${String(data)} `)).on('end', () => socket.end('bye'))
}

async function converse(subject: Subject, socket: Duplex): Promise<void> {
  socket.write('hello')
  await new Promise((resolve) => setTimeout(resolve, 20))
  socket.end()
  const chunks: string[] = []
  for await (const chunk of socket) chunks.push(String(chunk))
  subject.trace.caller.push(chunks.join(''))
}

describe('upgrade and connect', () => {
  both('upgrade', { server: { upgrades: speaks } }, async (subject) => {
    const { headers, socket } = await subject.dispatcher.upgrade({ path: '/u', protocol: 'test' })
    subject.trace.caller.push(headersText(headers))
    await converse(subject, socket)
  })
  both('upgrade, refused', { server: { answers } }, async (subject) => {
    await noted(subject, subject.dispatcher.upgrade({ path: '/u', protocol: 'test' }))
  })
  for (const path of ['somewhere:1', 'refused:1']) {
    both(`connect to ${path}`, { server: { upgrades: speaks } }, async (subject) => {
      const { statusCode, headers, socket } = await connect(subject, path)
      subject.trace.caller.push(`${statusCode} ${headersText(headers)}`)
      await converse(subject, socket)
    })
  }
  both(
    'a connection that goes away instead',
    { server: { upgrades: (_, socket) => socket.destroy() } },
    async (subject) => {
      await noted(subject, subject.dispatcher.upgrade({ path: '/u', protocol: 'test' }))
      await noted(subject, connect(subject, 'somewhere:1'))
    },
  )
})

function connect({ dispatcher, origin }: Subject, path: string): Promise<Dispatcher.ConnectData> {
  return dispatcher.connect({ origin, path })
}

describe('fetch', () => {
  const form = new FormData()
  form.set('a', '1')
  const inits: Readonly<Record<string, [string, RequestInit]>> = {
    'a GET': ['/', {}],
    'a string': ['/', { method: 'POST', body: 'text' }],
    'a form': ['/', { method: 'POST', body: form as never }],
    'a query string': ['/', { method: 'PUT', body: new URLSearchParams({ a: '1' }) }],
    'a Blob': ['/', { method: 'PUT', body: new Blob(['blob'], { type: 'x/y' }) }],
    'a stream': ['/', { method: 'PUT', body: new Blob(['streamed']).stream(), duplex: 'half' }],
    'a redirect': ['/302', {}],
    'a redirect that is handed on': ['/302', { redirect: 'manual' }],
    'a redirect that is an error': ['/302', { redirect: 'error' }],
    'a reset': ['/reset', {}],
    'a cut': ['/cut', {}],
    'a long answer': ['/long', {}],
  }
  for (const [name, [path, init]] of Object.entries(inits)) {
    both(name, { ...agent, server }, async (subject) => {
      const { dispatcher, origin } = subject
      // A stream can be read once only, and there are two to read it.
      const body = name === 'a stream' ? { body: new Blob(['streamed']).stream() } : {}
      const asked = fetch(`${origin}${path}`, { ...(init as object), ...body, dispatcher })
      const read = asked.then(async (response) => {
        const text = await response.text()
        return `${response.status} ${response.redirected} ${response.type} ${text.length > 99 ? text.length : text}`
      })
      await noted(subject, read)
    })
  }
  both('aborted before its answer', { ...agent, server: { answers: () => undefined } }, async (subject) => {
    const controller = new AbortController()
    const { dispatcher, origin } = subject
    const asked = fetch(`${origin}/`, { dispatcher, signal: controller.signal })
    await subject.server.begun(1)
    controller.abort(new Error('changed my mind'))
    await noted(subject, asked)
  })
  both(
    'cancelled within its answer',
    { ...agent, server: { answers: (_, response) => void response.write('first') } },
    async (subject) => {
      const { dispatcher, origin } = subject
      const reader = (await fetch(`${origin}/`, { dispatcher })).body?.getReader()
      subject.trace.caller.push(Buffer.from((await reader?.read())?.value ?? []).toString())
      await reader?.cancel()
    },
  )
})

/** RFC 6455, 4.2.2, and one text frame back for each one from the client. */
const webSocket = (request: IncomingMessage, socket: Duplex): void => {
  const key = `${String(request.headers['sec-websocket-key'])}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
  const accept = createHash('sha1').update(key).digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  )
  socket.on('data', (frame: Buffer) => {
    if ((frame[0] ?? 0) === 0x88) {
      socket.end(Buffer.from([0x88, 0x02, 0x03, 0xe8]))
      return
    }
    const mask = frame.subarray(2, 6)
    const text = frame.subarray(6).map((byte, index) => byte ^ (mask[index % 4] ?? 0))
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), text]))
  })
}

describe('WebSocket', () => {
  both('speaks and closes', { ...agent, server: { upgrades: webSocket } }, async (subject) => {
    const { dispatcher, origin, trace } = subject
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/chat`, { dispatcher })
    socket.addEventListener('open', () => socket.send('hello'))
    socket.addEventListener('message', ({ data }) => {
      trace.caller.push(`message ${String(data)}`)
      socket.close(1000)
    })
    await new Promise<void>((resolve) => {
      socket.addEventListener('close', ({ code }) => {
        trace.caller.push(`close ${code}`)
        resolve()
      })
    })
  })
  both('is refused', { ...agent, server }, async (subject) => {
    const { dispatcher, origin, trace } = subject
    const socket = new WebSocket(`${origin.replace('http', 'ws')}/chat`, { dispatcher })
    socket.addEventListener('error', ({ message }) => trace.caller.push(`error ${message}`))
    await new Promise<void>((resolve) => {
      socket.addEventListener('close', ({ code }) => {
        trace.caller.push(`close ${code}`)
        resolve()
      })
    })
  })
})

describe('EventSource', () => {
  both('hears, and comes back', { ...agent, server: { answers: events } }, async (subject) => {
    const { dispatcher, origin, trace } = subject
    const source = new EventSource(`${origin}/events`, {
      dispatcher,
      node: { dispatcher, reconnectionTime: 5 },
    })
    await new Promise<void>((resolve) => {
      source.addEventListener('message', ({ data, lastEventId }) => {
        trace.caller.push(`message ${data as string} ${lastEventId}`)
        if (data !== 'second') return
        source.close()
        resolve()
      })
    })
  })
})

function events(
  _request: IncomingMessage,
  response: Parameters<Behaviour>[1],
  _body: Promise<Buffer>,
  nth: number,
): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  if (nth === 1) response.end('retry: 5\nid: 1\ndata: first\n\n')
  else response.write('data: second\n\n')
}
