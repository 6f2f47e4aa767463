import { Blob } from 'node:buffer'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { fetch, FormData as UndiciFormData, type Dispatcher } from 'undici'
import type { Behaviour } from './server.test.support.js'
import { runOn, turns, type World } from './subjects.test.support.js'
import { errorText, type Trace } from './trace.test.support.js'

// What undici's dispatchers have not: retries of their own. Here a body is looked at as it arrives the second time.

const resetFirst: Behaviour = (request, response, body, nth) => {
  void body.then((content) => {
    if (nth === 1) request.socket.destroy()
    else response.end(content)
  })
}

async function* pieces(...chunks: readonly (string | Uint8Array)[]): AsyncGenerator<string | Uint8Array> {
  for (const chunk of chunks) {
    await turns(1)
    yield chunk
  }
}

function form<T extends FormData | UndiciFormData>(empty: T): T {
  empty.append('field', 'value')
  empty.append('file', new Blob(['in a file']), 'a.txt')
  return empty
}

const KIB_64 = 64 * 1024

const bodies: Readonly<Record<string, () => unknown>> = {
  'a string': () => 'content',
  'a Buffer': () => Buffer.from('content'),
  'a typed array': () => new Uint16Array([0x6161, 0x6262]),
  'an ArrayBuffer': () => new TextEncoder().encode('content').buffer,
  'a Readable': () => Readable.from(['con', 'tent']),
  'an empty Readable': () => Readable.from([]),
  'an async generator': () => pieces('con', 'tent'),
  'a generator': () => ['con', 'tent'].values(),
  'an array': () => ['con', 'tent'],
  'a web ReadableStream': () => new Blob(['content']).stream(),
  'a Blob': () => new Blob(['content']),
  URLSearchParams: () => new URLSearchParams({ a: 'é' }),
  "undici's FormData": () => form(new UndiciFormData()),
  'the global FormData': () => form(new FormData()),
  'a Readable of 64 KiB': () => Readable.from([Buffer.alloc(KIB_64, 'x')]),
  'a generator that uses its memory again': function* () {
    const memory = Buffer.alloc(3)
    for (const text of ['one', 'two']) {
      memory.write(text)
      yield memory
      memory.fill('?')
    }
  },
}

async function put(
  body: unknown,
  world: World = {},
  options: Partial<Dispatcher.RequestOptions> = {},
): Promise<Trace> {
  return runOn(
    'fairlead',
    { server: { answers: resetFirst }, options: {}, ...world },
    async ({ dispatcher, trace }) => {
      const asked = dispatcher.request({ path: '/', method: 'PUT', body: body as never, ...options })
      const text = await asked.then(
        ({ body: content }) => content.text(),
        (error: unknown) => errorText(error),
      )
      trace.caller.push(text)
    },
  )
}

const retrying: World = { options: { retry: { attempts: 2 }, breaker: false } }

/** A line of the server's, without how it was framed. */
function content(line: string | undefined): string | undefined {
  return line?.replace(/ (?:content-length=\d+|transfer-encoding=chunked)/g, '')
}

describe('a body is sent again as it was', () => {
  test.each(Object.entries(bodies))('%s', async (_name, make) => {
    const { server } = await put(make(), retrying)
    expect(server).toHaveLength(2)
    expect(content(server[0])).toMatch(/whole$/)
    expect(content(server[1])).toBe(content(server[0]))
  })

  test('headers that can be read once only, too', async () => {
    const headers = [['x-case', 'kept'] as const].values()
    const { server } = await put('content', retrying, { headers: headers as never })
    expect(server.map((line) => line.includes('x-case=kept'))).toEqual([true, true])
  })

  test("fetch's, which makes a stream of a string", async () => {
    const trace = await runOn(
      'fairlead',
      { server: { answers: resetFirst }, ...retrying },
      async (subject) => {
        const { dispatcher, origin } = subject
        const response = await fetch(`${origin}/`, { dispatcher, method: 'PUT', body: 'content' })
        subject.trace.caller.push(await response.text())
      },
    )
    expect(trace.caller).toEqual(['content'])
    expect(trace.server).toHaveLength(2)
  })
})

describe('a body is not sent again', () => {
  test('of more than 64 KiB, read once only', async () => {
    const { server, caller } = await put(Readable.from([Buffer.alloc(KIB_64), 'x']), retrying)
    expect(server).toHaveLength(1)
    expect(caller[0]).toContain(
      'not tried again: its body is a stream that was cut, or is longer than 64 KiB',
    )
  })

  test('that was cut on its way', async () => {
    const cutting: Behaviour = (request) => void request.once('data', () => request.socket.destroy())
    const endless = async function* (): AsyncGenerator<string | Uint8Array> {
      for (;;) yield* pieces('x')
    }
    const { server, caller } = await put(endless(), { ...retrying, server: { answers: cutting } })
    expect(server).toHaveLength(1)
    expect(caller[0]).toContain('ATTEMPTS_EXHAUSTED')
  })

  test('of a POST', async () => {
    const { server, caller } = await put(Readable.from(['x']), retrying, { method: 'POST' })
    expect(server).toHaveLength(1)
    expect(caller[0]).toContain('POST is not idempotent')
  })
})
