import { Blob } from 'node:buffer'
import { PassThrough, Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { FormData as UndiciFormData, type Dispatcher } from 'undici'
import { compare } from './compare.test.support.js'
import type { DifferenceName } from './differences.test.support.js'
import type { Behaviour, ServerScript } from './server.test.support.js'
import { runOn, turns, type Subject } from './subjects.test.support.js'
import { errorText } from './trace.test.support.js'

/** More than a socket takes at once, so that a body of it is under way for a while. */
const CHUNK = 'x'.repeat(256 * 1024)

function formOf<T extends FormData | UndiciFormData>(form: T): T {
  form.append('name', 'value')
  form.append('file', new Blob(['in a file'], { type: 'text/plain' }), 'a.txt')
  return form
}

async function* inTime(...chunks: string[]): AsyncGenerator<string> {
  for (const chunk of chunks) {
    await turns(1)
    yield chunk
  }
}

const bodies: Readonly<Record<string, () => unknown>> = {
  none: () => null,
  'an empty string': () => '',
  'a string': () => 'a string, é',
  'a Buffer': () => Buffer.from('a buffer'),
  'a typed array': () => new Uint16Array([0x6161, 0x6262]).subarray(1),
  'a DataView': () => new DataView(new TextEncoder().encode('view').buffer),
  'an ArrayBuffer': () => new TextEncoder().encode('array buffer').buffer,
  'a Readable': () => Readable.from(['read', 'able']),
  'an empty Readable': () => Readable.from([]),
  'a Readable that has ended': () => {
    const body = new PassThrough()
    body.end('whole')
    return body
  },
  'an async generator': () => inTime('gene', 'rated'),
  'a generator': () => ['gene', 'rated'].values(),
  'an array': () => ['a', Buffer.from('b')],
  'a web ReadableStream': () => new Blob(['web stream']).stream(),
  'a Blob': () => new Blob(['bl', 'ob'], { type: 'text/x-blob' }),
  URLSearchParams: () => new URLSearchParams({ a: '1', b: 'é' }),
  "undici's FormData": () => formOf(new UndiciFormData()),
  'the global FormData': () => formOf(new FormData()),
}

/** What undici takes and cannot send, and what it stands for. */
const stands: Readonly<Record<string, () => Partial<Dispatcher.RequestOptions>>> = {
  URLSearchParams: () => ({
    body: 'a=1&b=%C3%A9',
    headers: { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' },
  }),
  'the global FormData': () => ({ body: formOf(new UndiciFormData()) }),
}

/** Bodies that are under way when something happens to them. */
const long: Readonly<Record<string, () => unknown>> = {
  'a Buffer': () => Buffer.from(CHUNK.repeat(64)),
  'a Readable': () => Readable.from(inTime(...Array.from({ length: 64 }, () => CHUNK))),
  'an async generator': () => inTime(...Array.from({ length: 64 }, () => CHUNK)),
  'a web ReadableStream': () => new Blob(Array.from({ length: 64 }, () => CHUNK)).stream(),
  'a Blob': () => new Blob(Array.from({ length: 64 }, () => CHUNK)),
  "undici's FormData": () => {
    const form = new UndiciFormData()
    form.append('file', new Blob(Array.from({ length: 64 }, () => CHUNK)))
    return form
  },
}

async function ask(
  { dispatcher, trace }: Subject,
  options: Omit<Dispatcher.RequestOptions, 'path'>,
): Promise<void> {
  const { body } = options
  if (body instanceof Readable) {
    body.on('error', (error) => trace.caller.push(`body: ${errorText(error)}`))
    body.on('close', () => trace.caller.push(`body closed, ${body.readableEnded ? 'read' : 'not read'}`))
  }
  const asked = dispatcher.request({ path: '/', ...options })
  const text = await asked.then(
    async ({ statusCode, body: content }) => {
      const whole = await content.text().catch((error: unknown) => errorText(error))
      return `${statusCode} ${whole.length > 100 ? whole.length : whole}`
    },
    (error: unknown) => errorText(error),
  )
  if (body instanceof Readable && !body.closed) {
    const closed = new Promise((resolve) => body.once('close', resolve))
    await Promise.race([closed, turns(20)])
  }
  await turns(5)
  trace.caller.push(text)
}

describe.each(['GET', 'PUT', 'POST'] as const)('%s with', (method) => {
  for (const [name, make] of Object.entries(bodies)) {
    const headers = { 'content-type': 'text/x-own', 'x-case': name }
    const own = (subject: Subject): Partial<Dispatcher.RequestOptions> =>
      (subject.name === 'undici' ? stands[name]?.() : undefined) ?? { body: make() as never }
    compare(name, {}, (subject) => ask(subject, { method, ...own(subject) }))
    compare(`${name}, and headers of its own`, {}, (subject) =>
      ask(subject, { method, ...own(subject), headers }),
    )
  }
})

test.each(Object.keys(stands))('%s: undici takes it, and still cannot send it', async (name) => {
  const trace = await runOn('undici', {}, async ({ dispatcher, trace: { caller } }) => {
    const asked = dispatcher.request({ path: '/', method: 'PUT', body: bodies[name]?.() as never })
    const failed = asked.then(
      () => 'sent',
      () => 'failed',
    )
    caller.push(await Promise.race([failed, turns(200).then(() => 'never settled')]))
    await dispatcher.destroy()
    await failed
  })
  expect(trace.caller).not.toContain('sent')
})

describe('headers of every shape', () => {
  const shapes: Readonly<Record<string, () => unknown>> = {
    'an object': () => ({ 'x-case': 'a', 'Content-Type': 'b' }),
    'a list': () => ['x-case', 'a', 'content-type', 'b'],
    'a Map': () => new Map([['x-case', 'a']]),
    Headers: () => new Headers({ 'x-case': 'a' }),
    'an iterator': () => [['x-case', 'a'] as const].values(),
    'values that are lists': () => ({ 'x-case': ['a', 'b'] }),
  }
  for (const [name, make] of Object.entries(shapes)) {
    compare(name, {}, (subject) => ask(subject, { method: 'PUT', body: 'x', headers: make() as never }))
    compare(`${name}, and a body that has a type`, {}, (subject) => {
      const form = subject.name === 'undici' ? formWith(make()) : { body: new URLSearchParams({ a: '1' }) }
      return ask(subject, { method: 'PUT', headers: make() as never, ...form })
    })
  }
  /** As they have to be for undici to say the same. */
  function formWith(headers: unknown): object {
    const entries = Array.isArray(headers)
      ? [
          [headers[0], headers[1]],
          [headers[2], headers[3]],
        ]
      : Symbol.iterator in (headers as object)
        ? [...(headers as Iterable<[string, string]>)]
        : Object.entries(headers as Record<string, string>)
    const named = entries.some(([key]) => String(key).toLowerCase() === 'content-type')
    const type = named ? [] : [['content-type', 'application/x-www-form-urlencoded;charset=UTF-8']]
    return { body: 'a=1', headers: [...entries, ...type].flat() }
  }
})

describe('a body that fails by itself', () => {
  const failing: Readonly<Record<string, () => unknown>> = {
    'a Readable, at once': () => new Readable({ read: () => undefined }).destroy(new Error('disk failed')),
    'a Readable, before its first chunk': () =>
      new Readable({
        read() {
          this.destroy(new Error('disk failed'))
        },
      }),
    'a Readable, under way': () =>
      Readable.from(
        (async function* () {
          yield* inTime('first')
          throw new Error('disk failed')
        })(),
      ),
    'a Readable that is closed under way': () => {
      const body = new PassThrough()
      body.write('first')
      setImmediate(() => setImmediate(() => body.destroy()))
      return body
    },
    'an async generator, before its first chunk': () =>
      (async function* (): AsyncGenerator<string> {
        await turns(1)
        throw new Error('disk failed')
      })(),
    'an async generator, under way': () =>
      (async function* () {
        yield* inTime('first')
        throw new Error('disk failed')
      })(),
    'a web ReadableStream': () =>
      new ReadableStream({
        pull(controller) {
          controller.error(new Error('disk failed'))
        },
      }),
    'one that yields what is not a chunk': () => [1],
  }
  for (const [name, make] of Object.entries(failing)) {
    compare(name, {}, (subject) => ask(subject, { method: 'PUT', body: make() as never }))
    compare(`${name}, where the length is given`, {}, (subject) =>
      ask(subject, { method: 'PUT', body: make() as never, headers: { 'content-length': '100' } }),
    )
  }
  const lengths: Readonly<Record<string, () => unknown>> = {
    'a string': () => 'four',
    'a Readable': () => Readable.from(['four']),
    'an async generator': () => inTime('four'),
  }
  for (const [name, make] of Object.entries(lengths)) {
    for (const length of ['3', '5']) {
      compare(`${name} of another length than ${length}`, {}, (subject) =>
        ask(subject, { method: 'PUT', body: make() as never, headers: { 'content-length': length } }),
      )
    }
  }
})

/** Where a server can leave a request. */
const cuts: Readonly<Record<string, ServerScript>> = {
  'as the connection is made': { connects: (socket) => void socket.destroy() },
  'at the first byte': { connects: (socket) => void socket.once('data', () => socket.destroy()) },
  'at the head': { answers: (request) => void request.socket.destroy() },
  'within the body': {
    countsBodies: false,
    answers: (request) => void request.once('data', () => request.socket.resetAndDestroy()),
  },
  'when it has all': { answers: (request, _, body) => void body.then(() => request.socket.destroy()) },
  'after its head': {
    answers: cutting((response) => response.writeHead(200, { 'content-length': 10 }).flushHeaders()),
  },
  'within its body': {
    answers: cutting((response) => response.writeHead(200, { 'content-length': 10 }).write('12345')),
  },
  'within a chunked body': { answers: cutting((response) => response.write('12345')) },
  'by an answer before its time': {
    countsBodies: false,
    answers: (request, response) => {
      request.once('data', () => {
        response.writeHead(413, { connection: 'close' }).end('too much')
        setTimeout(() => request.socket.destroy(), 20)
      })
    },
  },
}

function cutting(answer: (response: Parameters<Behaviour>[1]) => unknown): Behaviour {
  return (request, response, body) => {
    void body.then(() => {
      answer(response)
      setTimeout(() => request.socket.destroy(), 10)
    })
  }
}

const EARLY_ANSWER: readonly DifferenceName[] = ['an early answer arrives']

describe.each(Object.entries(cuts))('a server that goes away %s', (stage, server) => {
  for (const method of ['GET', 'PUT', 'POST'] as const) {
    for (const name of [
      'none',
      'a string',
      'a Readable',
      'an async generator',
      'a Blob',
      "undici's FormData",
    ]) {
      // Nothing comes of a body where there is none.
      if (name === 'none' && /within the body|before its time/.test(stage)) continue
      // A generator is asked for its next chunk by the loop of microtasks, and finds the connection closed.
      const differs =
        stage === 'by an answer before its time' && name === 'an async generator' ? EARLY_ANSWER : []
      compare(`${method} with ${name}`, { server, differs }, (subject) =>
        ask(subject, { method, body: bodies[name]?.() as never }),
      )
    }
  }
})

describe('a long body is cut', () => {
  const within: ServerScript = {
    countsBodies: false,
    answers: (request) => void request.once('data', () => request.socket.resetAndDestroy()),
  }
  for (const [name, make] of Object.entries(long)) {
    compare(`${name}, by the server`, { server: within }, async (subject) => {
      await ask(subject, { method: 'PUT', body: make() as never })
    })
  }
})

describe('a request is aborted', () => {
  const when: Readonly<Record<string, [ServerScript, (stop: () => void, subject: Subject) => unknown]>> = {
    beforehand: [{}, (stop) => stop()],
    'in the turn of its start': [{}, (stop) => queueMicrotask(stop)],
    'when the server has its head': [
      { answers: () => undefined },
      (stop, { server }) => void server.begun(1).then(() => setImmediate(stop)),
    ],
    'when it has the head of the answer': [
      { answers: cutting2((response) => response.flushHeaders()) },
      (stop, { server }) => void server.begun(1).then(() => setTimeout(stop, 30)),
    ],
    'within the answer': [
      { answers: cutting2((response) => response.write('12345')) },
      (stop, { server }) => void server.begun(1).then(() => setTimeout(stop, 30)),
    ],
  }
  function cutting2(answer: (response: Parameters<Behaviour>[1]) => unknown): Behaviour {
    return (_request, response, body) => void body.then(() => answer(response))
  }
  for (const [stage, [server, arrange]] of Object.entries(when)) {
    for (const name of [
      'none',
      'a string',
      'a Readable',
      'an async generator',
      'a Blob',
      "undici's FormData",
    ]) {
      compare(`${stage}, with ${name}`, { server }, async (subject) => {
        const controller = new AbortController()
        arrange(() => controller.abort(new Error('changed my mind')), subject)
        await ask(subject, { method: 'PUT', body: bodies[name]?.() as never, signal: controller.signal })
      })
    }
  }
})
