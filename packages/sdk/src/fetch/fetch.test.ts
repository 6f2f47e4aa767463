import { getEventListeners } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import { afterwards, serve } from '../client.test.support.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import { FairleadError } from '../errors.js'
import type { ClientOptions } from '../client-options.js'

// What compared.test.ts cannot compare: what the global fetch does not have, or does otherwise than the standard.

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

function client(origins: readonly string[], options: ClientOptions = {}, service = 'orders'): Client {
  const resolver = fixedResolver(origins)
  const made = createClient(service, { resolver, logger: silent, balancer: 'round_robin', ...options })
  afterwards(() => made.dispatcher.destroy())
  return made
}

const echo: RequestListener = (request, response) => {
  void text(request).then((body) => {
    const { method, url, headers } = request
    response.end(JSON.stringify({ method, url, headers, body }))
  })
}

interface Echo {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Takes requests whole, and breaks the connection instead of answering. */
async function breaker(): Promise<{ origin: string; taken: string[] }> {
  const taken: string[] = []
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (data) => {
      taken.push(data.toString().split(' ')[0] ?? '')
      socket.destroy()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  afterwards(() => new Promise((resolve) => server.close(resolve)))
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken }
}

async function echoOf(response: Response): Promise<Echo> {
  return (await response.json()) as Echo
}

async function failureOf(promise: Promise<unknown>): Promise<Error> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(Error)
  return error as Error
}

describe('what it takes', () => {
  test('a path, a URL, a string of one and a Request, bound or not', async () => {
    const { fetch } = client([await serve(echo)])
    const url = 'http://orders/v1/orders/42?full=1'
    for (const input of ['/v1/orders/42?full=1', url, new URL(url), new Request(url)]) {
      const response = await fetch(input)
      expect(response).toBeInstanceOf(Response)
      expect(response.url).toBe(url)
      expect(await echoOf(response)).toMatchObject({ method: 'GET', url: '/v1/orders/42?full=1' })
    }
  })

  test('a Request with everything in it', async () => {
    const { fetch } = client([await serve(echo)])
    const init = {
      method: 'POST',
      body: '{"a":1}',
      headers: { 'content-type': 'application/json', 'x-mine': '1' },
    }
    const request = new Request('http://orders/v1/orders', init)
    const { method, url, headers, body } = await echoOf(await fetch(request))
    expect({ method, url, body }).toEqual({ method: 'POST', url: '/v1/orders', body: '{"a":1}' })
    expect(headers).toMatchObject({
      'content-type': 'application/json',
      'x-mine': '1',
      'content-length': '7',
    })
    expect(request.bodyUsed).toBe(true)
  })

  test.each([undefined, null, 42, {}, [], () => '/', Symbol('path'), new Map(), { url: '/x' }])(
    'nothing else, such as %s',
    async (input) => {
      const { fetch } = client([await serve(echo)])
      const error = await failureOf(fetch(input as unknown as string))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toContain('fetch takes a path such as /v1/items, a URL of orders')
      expect(error.stack).toContain('fetch.test.ts')
    },
  )

  test('no origin but its own, and it says so', async () => {
    const { fetch } = client([await serve(echo)])
    for (const input of ['http://elsewhere/', '//elsewhere/x', new Request('http://elsewhere/')]) {
      const error = await failureOf(fetch(input))
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toBe('fetch failed')
      expect(error.cause).toMatchObject({ code: 'INVALID_OPTION' })
      expect((error.cause as Error).message).toContain('a client of orders serves http://orders only')
    }
  })

  test('every kind of form', async () => {
    const { fetch } = client([await serve(echo)])
    const form = new FormData()
    form.set('name', 'value ü')
    form.set('file', new Blob(['content'], { type: 'text/plain' }), 'a.txt')
    for (const input of ['/', new Request('http://orders/', { method: 'POST', body: form })]) {
      const { headers, body } = await echoOf(
        await fetch(input, typeof input === 'string' ? { method: 'POST', body: form } : {}),
      )
      expect(headers['content-type']).toMatch(/^multipart\/form-data; boundary=/)
      expect(Number(headers['content-length'])).toBe(Buffer.byteLength(body))
      const again = new Response(body, { headers: { 'content-type': headers['content-type'] ?? '' } })
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- It is the standard's.
      const parsed = await again.formData()
      expect(parsed.get('name')).toBe('value ü')
      expect(await (parsed.get('file') as unknown as Blob).text()).toBe('content')
    }
  })

  test('a dispatcher of its own, such as one with interceptors', async () => {
    const orders = client([await serve(echo)])
    const paths: string[] = []
    const dispatcher = orders.dispatcher.compose((dispatch) => (options, handler) => {
      paths.push(options.path)
      return dispatch(options, handler)
    })
    await (await orders.fetch('/composed', { dispatcher })).text()
    expect(paths).toEqual(['/composed'])
  })
})

describe('policy', () => {
  test.each<[string, (url: string) => [string | Request, RequestInit?]]>([
    ['a text', () => ['/', { method: 'PUT', body: 'whole' }]],
    ['bytes', () => ['/', { method: 'PUT', body: Buffer.from('whole') }]],
    ['a Blob', () => ['/', { method: 'PUT', body: new Blob(['whole']) }]],
    ['params', () => ['/', { method: 'PUT', body: new URLSearchParams('whole') }]],
    ['a Request of a text', (url) => [new Request(url, { method: 'PUT', body: 'whole' })]],
    ['a Request of bytes', (url) => [new Request(url, { method: 'PUT', body: Buffer.from('whole') })]],
    ['a Request of a Blob', (url) => [new Request(url, { method: 'PUT', body: new Blob(['whole']) })]],
    ['a clone of a Request', (url) => [new Request(url, { method: 'PUT', body: 'whole' }).clone()]],
    ['no body', () => ['/', { method: 'DELETE' }]],
  ])('%s is sent again, as what came in decides', async (kind, make) => {
    const { origin, taken } = await breaker()
    const orders = client([origin, await serve(echo)])
    // In turn: one of the two goes to the breaker first.
    for (let turn = 0; turn < 2; turn++) {
      const { method, body } = await echoOf(await orders.fetch(...make('http://orders/')))
      expect([method, body.replace('whole=', 'whole')]).toEqual(
        kind === 'no body' ? ['DELETE', ''] : ['PUT', 'whole'],
      )
    }
    expect(taken).toHaveLength(1)
  })

  test('a POST is not, unless it says that it may', async () => {
    const { origin, taken } = await breaker()
    const post = { method: 'POST', body: 'x' }
    const error = await failureOf(client([origin]).fetch('/', post))
    expect(error.cause).toBeInstanceOf(FairleadError)
    expect(error.cause).toMatchObject({ code: 'ATTEMPTS_EXHAUSTED' })
    expect(taken.splice(0)).toEqual(['POST'])
    const orders = client([origin, await serve(echo)])
    for (let turn = 0; turn < 4; turn++) {
      const input = turn < 2 ? '/' : new Request('http://orders/', post)
      const response = await orders.fetch(
        input,
        turn < 2 ? { ...post, idempotent: true } : { idempotent: true },
      )
      expect(await echoOf(response)).toMatchObject({ method: 'POST', body: 'x' })
    }
    expect(taken.length).toBeGreaterThan(1)
  })

  test('a time limit of its own', async () => {
    const orders = client([await serve(() => undefined)])
    for (const input of ['/', new Request('http://orders/', { method: 'POST', body: Buffer.from('x') })]) {
      const error = await failureOf(orders.fetch(input, { timeoutMs: 50 }))
      expect(error.message).toBe('fetch failed')
      expect(error.cause).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
      expect((error.cause as Error).message).toContain('50 ms')
    }
    const refused = await failureOf(orders.fetch('/', { timeoutMs: 0 }))
    expect(refused.cause).toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('a hash key', async () => {
    const origins = await Promise.all(
      Array.from({ length: 4 }, (_, name) => serve((_, response) => void response.end(String(name)))),
    )
    const orders = client(origins, { balancer: 'maglev' })
    const names = new Set<string>()
    for (let key = 0; key < 20; key++) {
      const [first, second] = await Promise.all(
        [1, 2].map(async () => (await orders.fetch('/', { hashKey: `user-${key}` })).text()),
      )
      expect(first).toBe(second)
      names.add(first ?? '')
    }
    expect(names.size).toBeGreaterThan(1)
  })
})

describe('names that a URL takes for numbers', () => {
  test.each(['payments-1.0', '2048', '127.1', '0x10', 'v2.0'])('%s works everywhere', async (name) => {
    const orders = client([await serve(echo)], {}, name)
    const base = `http://${name}.service.consul`
    expect((await orders.request({ path: '/x' })).statusCode).toBe(200)
    for (const input of ['/x', `${base}/x`, new URL(`${base}/x`), new Request(`${base}/x`)]) {
      const response = await orders.fetch(input)
      expect(response.url).toBe(`${base}/x`)
      expect(await echoOf(response)).toMatchObject({ url: '/x' })
    }
    const init: RequestInit = { dispatcher: orders.dispatcher }
    expect((await fetch(`${base}/x`, init)).status).toBe(200)
    for (const origin of [base, `http://${name}`]) {
      const { statusCode, body } = await orders.dispatcher.request({ origin, path: '/', method: 'GET' })
      await body.dump()
      expect(statusCode).toBe(200)
    }
  })

  test.each(['xn--a', 'xn--a.b', 'a.xn--b'])(
    '%s, which is not a host in any form, is rejected at the start',
    (name) => {
      expect(() => client([], {}, name)).toThrow(FairleadError)
      expect(() => client([], {}, name)).toThrow(
        `service is '${name}': it must be a name that can be the host of a URL`,
      )
    },
  )
})

describe('abort, by the standard', () => {
  test('after the whole body has come: what has not been read is gone', async () => {
    const orders = client([await serve((_, response) => void response.end('whole'))])
    for (const read of ['text', 'json', 'arrayBuffer', 'blob'] as const) {
      const controller = new AbortController()
      const response = await orders.fetch('/', { signal: controller.signal })
      // The connection is free: the body has come.
      await vi.waitFor(() => expect(getEventListeners(controller.signal, 'abort')).toEqual([]))
      const reason = new Error('late')
      controller.abort(reason)
      await expect(response[read]()).rejects.toBe(reason)
    }
    const controller = new AbortController()
    const { body } = await orders.fetch('/', { signal: controller.signal })
    controller.abort('late')
    await expect(body?.getReader().read()).rejects.toBe('late')
  })

  test('of an upload cancels its stream, with the reason, though it gives nothing', async () => {
    let arrived = 0
    const orders = client([
      await serve(() => {
        arrived++
      }),
    ])
    const controller = new AbortController()
    const cancelled = vi.fn()
    const body = new ReadableStream({
      start: (stream) => stream.enqueue(Buffer.from('begun')),
      cancel: cancelled,
    })
    const fetching = orders.fetch('/', { method: 'POST', body, duplex: 'half', signal: controller.signal })
    fetching.catch(() => undefined)
    await vi.waitFor(() => expect(arrived).toBe(1))
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(fetching).rejects.toBe(reason)
    expect(cancelled).toHaveBeenCalledExactlyOnceWith(reason)
  })

  test('of a clone rejects both with the reason', async () => {
    const orders = client([await serve((_, response) => void response.write('begun'))])
    const controller = new AbortController()
    const response = await orders.fetch('/', { signal: controller.signal })
    const clone = response.clone()
    const reason = new Error('both')
    controller.abort(reason)
    await expect(response.text()).rejects.toBe(reason)
    await expect(clone.text()).rejects.toBe(reason)
  })

  test('leaves no listener behind, however it ends', async () => {
    const orders = client(
      [
        await serve((request, response) => {
          if (request.url === '/break') response.destroy()
          else if (request.url === '/redirect') response.writeHead(302, { location: '/' }).end()
          else response.end('x')
        }),
      ],
      { retry: false },
    )
    const { signal } = new AbortController()
    const left = (): number => getEventListeners(signal, 'abort').length
    for (let round = 0; round < 20; round++) {
      await (await orders.fetch('/', { signal })).text()
      await orders.fetch('/', { signal, method: 'HEAD' })
      await (await orders.fetch('/redirect', { signal })).text()
      await (await orders.fetch('/', { signal })).body?.cancel()
      await failureOf(orders.fetch('/redirect', { signal, redirect: 'error' }))
      await failureOf(orders.fetch('/break', { signal }))
      await failureOf(orders.fetch('http://elsewhere/', { signal }))
      await orders.fetch('/', { signal })
    }
    await vi.waitFor(() => expect(left()).toBe(0))
  })
})

describe('a body', () => {
  test('of bytes is repeated by a redirect', async () => {
    const orders = client([
      await serve((request, response) => {
        if (request.url === '/first') response.writeHead(307, { location: '/last' }).end()
        else echo(request, response)
      }),
    ])
    const body = new TextEncoder().encode('bytes')
    expect(await echoOf(await orders.fetch('/first', { method: 'PUT', body }))).toMatchObject({
      url: '/last',
      body: 'bytes',
    })
  })

  test('of any bytes is text as the encoding standard decodes it', async () => {
    const bodies = [
      Buffer.from([0xef, 0xbb, 0xbf, 0x61, 0xef, 0xbb, 0xbf]),
      Buffer.from([0xff, 0xfe, 0x61]),
      Buffer.from([0xe2, 0x82, 0x61, 0xf0, 0x9f, 0x98]),
      Buffer.from([0xed, 0xa0, 0x80, 0xc0, 0x80]),
      Buffer.from('✓ ü', 'utf16le'),
    ]
    const orders = client([
      await serve((request, response) => {
        // Byte by byte, so that no chunk is a whole character.
        for (const byte of bodies[Number(request.url?.slice(1))] ?? []) response.write(Buffer.from([byte]))
        response.end()
      }),
    ])
    for (const [index, body] of bodies.entries()) {
      expect(await (await orders.fetch(`/${index}`)).text()).toBe(new TextDecoder().decode(body))
    }
  })

  test('arrives while the server still sends, and goes while the caller still sends', async () => {
    let response: ServerResponse | undefined
    const orders = client([
      await serve((request, answer) => {
        response = answer
        request.on('data', (chunk: Buffer) => answer.write(`echo of ${chunk.toString()}`))
        request.on('end', () => answer.end('end'))
      }),
    ])
    let upload: ReadableStreamDefaultController<Uint8Array> | undefined
    const body = new ReadableStream<Uint8Array>({ start: (controller) => void (upload = controller) })
    upload?.enqueue(Buffer.from('one'))
    const answer = await orders.fetch('/', { method: 'POST', body, duplex: 'half' })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    expect(await reader?.read()).toEqual({ done: false, value: 'echo of one' })
    upload?.enqueue(Buffer.from('two'))
    expect(await reader?.read()).toEqual({ done: false, value: 'echo of two' })
    upload?.close()
    expect(await reader?.read()).toEqual({ done: false, value: 'end' })
    expect(await reader?.read()).toEqual({ done: true, value: undefined })
    expect(response?.writableFinished).toBe(true)
  })

  test('waits for its reader', async () => {
    const chunk = Buffer.alloc(16 * 1024, 'x')
    let written = 0
    const orders = client([
      await serve((_, response) => {
        const more = (): void => {
          while (written < 2000 * chunk.length) {
            written += chunk.length
            if (!response.write(chunk)) return void response.once('drain', more)
          }
          response.end()
        }
        more()
      }),
    ])
    const response = await orders.fetch('/')
    // Bound by the buffers on the way: sockets' and ours.
    let before = -1
    await vi.waitFor(
      () => {
        const still = written === before
        before = written
        expect(still).toBe(true)
      },
      { interval: 200 },
    )
    expect(written).toBeLessThan(1000 * chunk.length)
    let read = 0
    for await (const part of response.body ?? []) read += (part as Uint8Array).byteLength
    expect(read).toBe(2000 * chunk.length)
  })

  test('that is not read does not keep its connection: a small one comes whole', async () => {
    const orders = client([await serve((_, response) => void response.end('x'.repeat(30_000)))], {
      connections: { maxPerEndpoint: 1 },
    })
    const unread = []
    for (let n = 0; n < 20; n++) unread.push(await orders.fetch('/'))
    expect(unread.map(({ bodyUsed }) => bodyUsed)).toEqual(unread.map(() => false))
  })

  test('that can no longer be read frees its connection, and one that is being read stays', async () => {
    setFlagsFromString('--expose_gc')
    const collect = runInNewContext('gc') as () => void
    let closed = 0
    const orders = client([
      await serve((_, response) => {
        response.on('close', () => closed++)
        response.write('x'.repeat(1_000_000))
      }),
    ])
    // Both beyond what is taken without a reader.
    const stream = (await orders.fetch('/')).body?.getReader()
    await stream?.read()
    await (async () => {
      for (let n = 0; n < 5; n++) await orders.fetch('/')
      void (await orders.fetch('/')).clone()
      // The reader that waits for the rest still has it.
      void (await orders.fetch('/')).text().catch(() => undefined)
    })()
    await vi.waitFor(
      () => {
        collect()
        expect(closed).toBe(6)
      },
      { timeout: 15_000, interval: 50 },
    )
    expect((await stream?.read())?.done).toBe(false)
  }, 30_000)
})

test('what `console.log` shows of a response is what a response has', async () => {
  const { inspect } = await import('node:util')
  const { fetch } = client([await serve((_, response) => void response.end('x'))])
  const response = await fetch('/v1/orders/42')
  expect(inspect(response)).toMatch(/^Response \{[^]*status: 200,[^]*url: 'http:\/\/orders\/v1\/orders\/42'/)
  expect(await response.text()).toBe('x')
})

test('an error of the connection has the stack of the caller', async () => {
  const { fetch } = client(['http://127.0.0.1:1'], { retry: false })
  const error = await failureOf(fetch('/'))
  expect(error.stack).toContain('fetch.test.ts')
})

test('what a signal is aborted with stays as it was made', async () => {
  const { fetch } = client([await serve(() => undefined)])
  const reason = new TypeError('enough')
  const { stack } = reason
  const controller = new AbortController()
  const failed = failureOf(fetch('/', { signal: controller.signal }))
  setImmediate(() => controller.abort(reason))
  expect(await failed).toBe(reason)
  expect(reason.stack).toBe(stack)
})
