import { Readable } from 'node:stream'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Compared, pathOf, type Answer, type Encoding, type Seen } from './compared.test.support.js'

// client.fetch is fetch: whatever the process's own does on the same dispatcher, it does. Not compared is what differs
// between versions of Node (messages), and the few differences that docs/decisions/0036 names.

let compared: Compared
beforeAll(async () => {
  compared = await Compared.start()
})
afterAll(() => compared.close())

type Fetch = typeof fetch
type Program = (fetch: Fetch) => Promise<unknown>

/** Runs a program with each of the two, and expects what it returns, and what the server saw, to be the same. */
async function same(program: Program): Promise<void> {
  const outcomes: { readonly outcome: unknown; readonly seen: readonly Seen[] }[] = []
  for (const [, fetch] of compared.both) {
    compared.seen.length = 0
    compared.arrived = 0
    const outcome = await program(fetch).catch((error: unknown) => errorOf(error))
    const seen = compared.seen.map(withoutBoundary)
    // One that breaks before its head may be sent again below fetch, as the connection stands.
    const last = seen.at(-1)
    outcomes.push({ outcome, seen: seen.filter((one) => one === last || !isBroken(one)) })
  }
  const [standard, ours] = outcomes
  expect(ours).toEqual(standard)
}

function errorOf(error: unknown): unknown {
  if (!(error instanceof Error) && !(error instanceof DOMException)) return { thrown: error }
  const cause = error.cause as (Error & { readonly code?: unknown }) | undefined
  const wraps = error.message === 'fetch failed' || error.message === 'terminated'
  return {
    class: error.constructor.name,
    name: error.name,
    message: wraps ? error.message : undefined,
    cause: cause === undefined ? undefined : [cause.name, cause.code],
  }
}

function isBroken({ path }: Seen): boolean {
  return path?.includes('before%20the%20head') ?? false
}

/** Every form has a boundary of its own. */
function withoutBoundary(seen: Seen): Seen {
  const { 'content-type': type, ...headers } = seen.headers
  const boundary = /boundary=(.*)$/.exec(String(type))?.[1]
  if (boundary === undefined) return seen
  return {
    ...seen,
    headers: { ...headers, 'content-type': String(type).replace(boundary, 'BOUNDARY') },
    body: seen.body.replaceAll(boundary, 'BOUNDARY'),
  }
}

/** Everything that a response tells. */
async function view(response: Response, read: Read = 'text'): Promise<unknown> {
  const head = {
    status: response.status,
    statusText: response.statusText,
    ok: response.ok,
    type: response.type,
    url: response.url,
    redirected: response.redirected,
    headers: [...response.headers],
    cookies: response.headers.getSetCookie(),
    isResponse: response instanceof Response,
    tag: Object.prototype.toString.call(response),
    name: response.constructor.name,
    usedBefore: response.bodyUsed,
  }
  const content = await readers[read](response).catch((error: unknown) => errorOf(error))
  const { body } = response
  return { ...head, content, usedAfter: response.bodyUsed, body: body === null ? null : body.locked }
}

const readers = {
  text: (response) => response.text(),
  json: (response) => response.json(),
  arrayBuffer: async (response) => Buffer.from(await response.arrayBuffer()).toString('latin1'),
  blob: async (response) => {
    const blob = await response.blob()
    return { type: blob.type, text: await blob.text() }
  },
  // eslint-disable-next-line @typescript-eslint/no-deprecated -- It is the standard's.
  formData: async (response) => [...(await response.formData())],
  stream: async (response) => {
    const { body } = response
    if (body === null) return null
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(Buffer.from(chunk as Uint8Array))
    return Buffer.concat(chunks).toString('latin1')
  },
  byob: async (response) => {
    const { body } = response
    if (body === null) return null
    const reader = body.getReader({ mode: 'byob' })
    let text = ''
    for (;;) {
      const { done, value } = await reader.read(new Uint8Array(7))
      if (value !== undefined) text += Buffer.from(value).toString('latin1')
      if (done) return text
    }
  },
  clone: async (response) => {
    const other = response.clone()
    const [first, second] = await Promise.all([response.text(), other.text()])
    return { first, second, url: other.url, type: other.type, status: other.status, used: other.bodyUsed }
  },
  cloneFirst: async (response) => {
    const other = response.clone()
    const first = await other.text()
    return { first, used: response.bodyUsed, second: await response.text(), headers: [...other.headers] }
  },
  twice: async (response) => {
    await response.text()
    return response.text()
  },
  cloneTooLate: async (response) => {
    await response.text()
    return response.clone().text()
  },
  bodyThenText: async (response) => {
    const { body } = response
    return { same: body === response.body, locked: body?.locked, text: await response.text() }
  },
  lockedThenText: async (response) => {
    response.body?.getReader()
    return response.text()
  },
  cancelled: async (response) => {
    await response.body?.cancel('no longer wanted')
    return response.bodyUsed
  },
  wrapped: async (response) => {
    const wrapped = new Response(response.body, response)
    return { status: wrapped.status, headers: [...wrapped.headers], text: await wrapped.text() }
  },
  properties: (response) => {
    const names: string[] = []
    for (const name in response) if (name !== 'bytes') names.push(name)
    return Promise.resolve(names.sort())
  },
  headersGuard: (response) => {
    const refused = (change: () => void): boolean => {
      try {
        change()
        return false
      } catch (error) {
        return error instanceof TypeError
      }
    }
    const { headers } = response
    return Promise.resolve([
      headers === response.headers,
      headers instanceof Headers,
      refused(() => headers.set('x', 'y')),
      refused(() => headers.append('x', 'y')),
      refused(() => headers.delete('x')),
      new Headers(headers).get('content-type'),
    ])
  },
} satisfies Record<string, (response: Response) => Promise<unknown>>

type Read = keyof typeof readers
const reads = Object.keys(readers) as Read[]

const bodies: Readonly<Record<string, () => Pick<RequestInit, 'body'> & { duplex?: 'half' }>> = {
  none: () => ({}),
  null: () => ({ body: null }),
  text: () => ({ body: 'a body ✓' }),
  'text that is long': () => ({ body: 'x'.repeat(200_000) }),
  params: () => ({ body: new URLSearchParams({ a: '1', b: 'ü &' }) }),
  ArrayBuffer: () => ({ body: new TextEncoder().encode('array buffer').buffer.slice(0, 5) }),
  Uint8Array: () => ({ body: new TextEncoder().encode('some bytes') }),
  DataView: () => ({ body: new DataView(new TextEncoder().encode('a view').buffer, 2) }),
  Blob: () => ({ body: new Blob(['a ', 'blob']) }),
  'Blob with a type': () => ({ body: new Blob(['{}'], { type: 'application/json' }) }),
  stream: () => ({ body: streamOf('one ', 'two ', 'three'), duplex: 'half' }),
  'stream that is empty': () => ({ body: streamOf(), duplex: 'half' }),
  'Node stream': () => ({
    body: Readable.from([Buffer.from('of '), Buffer.from('Node')]),
    duplex: 'half',
  }),
  'async iterable': () => ({ body: chunks(), duplex: 'half' }),
  number: () => ({ body: 42 as unknown as string }),
  object: () => ({ body: {} as unknown as string }),
}

function streamOf(...parts: readonly string[]): ReadableStream {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part))
      controller.close()
    },
  })
}

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from('iterated '))
  yield Buffer.from('chunks')
}

const ECHO: Answer = { body: 'echo' }

describe('a request', () => {
  const methods = [
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'DELETE',
    'PATCH',
    'OPTIONS',
    'get',
    'Post',
    'QUERY',
    'propfind',
  ]
  for (const [name, make] of Object.entries(bodies)) {
    test(`with a body of kind ${name}, by every method`, async () => {
      for (const method of methods)
        await same(async (f) => view(await f(`http://orders${pathOf(ECHO)}`, { method, ...make() })))
    })

    test(`as a Request with a body of kind ${name}`, async () => {
      for (const method of ['GET', 'POST', 'PUT']) {
        await same(async (f) =>
          view(await f(new Request(`http://orders${pathOf(ECHO)}`, { method, ...make() }))),
        )
      }
    })
  }

  test.each(['CONNECT', 'TRACE', 'track', 'BAD METHOD', ''])('by the method %j', (method) =>
    same((f) => f('http://orders/', { method })),
  )

  test.each<[string, RequestInit]>([
    ['names in any case', { headers: { 'X-Case': 'Value', ACCEPT: 'application/json' } }],
    [
      'a list with one name twice',
      {
        headers: [
          ['x-many', '1'],
          ['X-Many', '2'],
        ],
      },
    ],
    ['a Headers', { headers: new Headers({ 'user-agent': 'mine', 'accept-language': 'de' }) }],
    ['a host of its own', { headers: { host: 'elsewhere' } }],
    ['a range', { headers: { range: 'bytes=0-1' } }],
    ['a range and a coding', { headers: { range: 'bytes=0-1', 'accept-encoding': 'br' } }],
    ['a condition', { headers: { 'if-none-match': '"x"' } }],
    [
      'a condition and a cache-control',
      { headers: { 'if-none-match': '"x"', 'cache-control': 'max-age=1' } },
    ],
    ['sec-fetch-mode', { headers: { 'sec-fetch-mode': 'navigate' } }],
    ['a type for a text', { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }],
    ['spaces around a value', { headers: { 'x-space': '  in the middle  ' } }],
    ['an invalid name', { headers: { 'not a name': 'x' } }],
    ['an invalid value', { headers: { 'x-bad': 'line\nbreak' } }],
    ['a value beyond latin1', { headers: { 'x-bad': '✓' } }],
    ['a connection header', { headers: { connection: 'upgrade' } }],
    ['a transfer-encoding', { headers: { 'transfer-encoding': 'chunked' } }],
    ['cookies', { headers: { cookie: 'a=b' } }],
  ])('with headers: %s', (_, init) => same(async (f) => view(await f(`http://orders${pathOf(ECHO)}`, init))))

  test.each<[string, RequestInit & { cache?: string; window?: unknown }]>([
    ['cache no-store', { cache: 'no-store' }],
    ['cache reload', { cache: 'reload', headers: { pragma: 'mine' } }],
    ['cache no-cache', { cache: 'no-cache' }],
    ['cache force-cache', { cache: 'force-cache' }],
    ['cache only-if-cached', { cache: 'only-if-cached' }],
    ['an invalid cache', { cache: 'sometimes' }],
    ['mode same-origin', { mode: 'same-origin' }],
    ['mode no-cors', { mode: 'no-cors' }],
    ['mode no-cors of a PUT', { mode: 'no-cors', method: 'PUT' }],
    ['mode navigate', { mode: 'navigate' }],
    ['credentials include', { credentials: 'include' }],
    ['referrer', { referrer: 'http://elsewhere/page' }],
    ['referrer of none', { referrer: '' }],
    ['keepalive', { keepalive: true, method: 'POST', body: 'x' }],
    ['keepalive of a stream', { keepalive: true, method: 'POST', body: streamOf('x'), duplex: 'half' }],
    ['a stream without duplex', { method: 'POST', body: streamOf('x') }],
    ['a window', { window: 'x' as unknown as null }],
    ['an invalid signal', { signal: {} as AbortSignal }],
    ['an invalid redirect mode', { redirect: 'sometimes' as 'follow' }],
    ['integrity that holds', { integrity: 'sha256-3wXqqXHdyMLV1W9SFrVVOpwYZCfd4RyUZMN8pl6DnJ4=' }],
    ['integrity that does not', { integrity: 'sha256-AAAAqXHdyMLV1W9SFrVVOpwYZCfd4RyUZMN8pl6DnJ4=' }],
  ])('with %s', (_, init) => same(async (f) => view(await f(`http://orders${pathOf(ECHO)}`, init))))

  test.each([
    'http://orders/a/../b/./c',
    'http://orders/%2e%2e/x',
    'http://orders/spaces in it?and here#fragment',
    'http://orders/ünïcode?ü',
    'http://orders/#',
    "http://orders/it's?it's",
    'HTTP://ORDERS:80/x',
    'http://orders\\back\\slash',
    'http://user:secret@orders/',
    'http://elsewhere/',
    'https://orders/',
    'http://',
  ])('of the URL %s', async (url) => {
    await same(async (f) => view(await f(url)))
    await same(async (f) => view(await f(new URL(url))))
    await same(async (f) => view(await f(new Request(url))))
  })

  test('as a Request whose every part init overrides', () =>
    same(async (f) => {
      const request = new Request(`http://orders${pathOf(ECHO)}`, {
        method: 'POST',
        body: 'first',
        headers: { 'x-first': '1' },
        redirect: 'error',
      })
      const response = await f(request, {
        method: 'PUT',
        body: 'second',
        headers: { 'x-second': '2' },
        redirect: 'manual',
      })
      return { view: await view(response), used: request.bodyUsed }
    }))

  test('as a Request that has been used', () =>
    same(async (f) => {
      const request = new Request(`http://orders${pathOf(ECHO)}`, { method: 'POST', body: 'once' })
      await (await f(request)).text()
      return { used: request.bodyUsed, again: await f(request).catch(errorOf) }
    }))

  test('as a clone of a Request, and the Request after it', () =>
    same(async (f) => {
      const init = { method: 'PUT', body: '{"a":1}', headers: { 'content-type': 'application/json' } }
      const request = new Request(`http://orders${pathOf(ECHO)}`, init)
      const first = await (await f(request.clone())).text()
      return [first, await (await f(request)).text()]
    }))

  test('whose bytes the caller changes afterwards', () =>
    same(async (f) => {
      const bytes = new TextEncoder().encode('before')
      const fetching = f(`http://orders${pathOf(ECHO)}`, { method: 'POST', body: bytes })
      bytes.fill(0)
      return view(await fetching)
    }))
})

describe('a response', () => {
  const types = [
    'application/json',
    'text/plain;charset=utf-8',
    'application/x-www-form-urlencoded',
    undefined,
  ]
  const texts = ['', '{"a":[1,2,"ü"]}', 'a=1&b=%C3%BC', '\uFEFFmarked ✓', 'x'.repeat(150_000)]

  test.each(reads)('read by %s', async (read) => {
    for (const type of types) {
      for (const body of texts) {
        for (const chunkBytes of [undefined, 40_000]) {
          const answer: Answer = {
            body,
            ...(chunkBytes && { chunkBytes }),
            headers: type === undefined ? [] : [['content-type', type]],
          }
          await same(async (f) => view(await f(`http://orders${pathOf(answer)}`), read))
        }
      }
    }
  })

  test('of every status', async () => {
    const statuses = [
      200, 201, 202, 203, 204, 205, 206, 207, 226, 300, 304, 306, 400, 401, 404, 407, 409, 418, 429,
    ]
    for (const status of [...statuses, 451, 500, 501, 502, 503, 504, 511, 599, 600, 999]) {
      for (const method of ['GET', 'HEAD', 'POST']) {
        const body = status === 204 || status === 304 ? '' : 'of a status'
        const path = pathOf({ status, statusText: 'As It Is', body })
        await same(async (f) => view(await f(`http://orders${path}`, { method })))
        await same(async (f) => view(await f(`http://orders${path}`, { method }), 'stream'))
      }
    }
  })

  test('with headers of every kind', async () => {
    const headers: [string, string][] = [
      ['Set-Cookie', 'a=1; Path=/'],
      ['Set-Cookie', 'b=2'],
      ['X-Many', 'one'],
      ['x-many', 'two'],
      ['X-Empty', ''],
      ['X-Latin1', 'caf\u00e9'],
      ['Vary', 'Accept'],
    ]
    await same(async (f) => view(await f(`http://orders${pathOf({ headers, body: 'x' })}`)))
  })

  test('in every coding, and in several', async () => {
    const codings: Encoding[] = [
      'gzip',
      'x-gzip',
      'deflate',
      'raw deflate',
      'br',
      'zstd',
      'unheard-of',
      'garbage',
    ]
    const lists: Encoding[][] = [
      ...codings.map((coding) => [coding]),
      ['gzip', 'br'],
      ['deflate', 'gzip', 'gzip'],
      ['gzip', 'unheard-of'],
      ['gzip', 'gzip', 'gzip', 'gzip', 'gzip', 'gzip'],
    ]
    for (const encodings of lists) {
      for (const body of ['', 'some text', 'much text '.repeat(30_000)]) {
        for (const method of ['GET', 'HEAD']) {
          const path = pathOf({ encodings, body, chunkBytes: 5000 })
          await same(async (f) => view(await f(`http://orders${path}`, { method })))
          await same(async (f) => view(await f(`http://orders${path}`, { method }), 'stream'))
        }
      }
    }
  })

  test('with a coding and no body', async () => {
    for (const status of [200, 204, 304]) {
      const path = pathOf({ status, headers: [['content-encoding', 'gzip']] })
      await same(async (f) => view(await f(`http://orders${path}`)))
    }
  })

  test('that is cut', async () => {
    for (const cut of ['before the head', 'within the body'] as const) {
      for (const encodings of [[], ['gzip'], ['br']] as Encoding[][]) {
        for (const read of ['text', 'json', 'stream', 'clone', 'blob'] as const) {
          await same(async (f) =>
            view(await f(`http://orders${pathOf({ cut, encodings, body: 'cut short' })}`), read),
          )
        }
      }
    }
  })

  test('of anything', async () => {
    const answers = fc.record(
      {
        status: fc.constantFrom(200, 201, 204, 206, 304, 400, 404, 500, 503),
        headers: fc.array(
          fc.tuple(fc.constantFrom('x-a', 'X-B', 'Set-Cookie', 'Vary'), fc.stringMatching(/^[!-~]{0,8}$/)),
        ),
        body: fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.string({ minLength: 2000, maxLength: 100_000 }),
          fc.json(),
        ),
        encodings: fc.array(fc.constantFrom<Encoding>('gzip', 'deflate', 'br', 'raw deflate'), {
          maxLength: 2,
        }),
        chunkBytes: fc.integer({ min: 500, max: 50_000 }),
      },
      { requiredKeys: [] },
    )
    const method = fc.constantFrom('GET', 'HEAD', 'POST', 'DELETE')
    await fc.assert(
      fc.asyncProperty(answers, method, fc.constantFrom(...reads), async (answer, method, read) => {
        const bodiless = answer.status === 204 || answer.status === 304
        const { encodings, ...rest } = answer
        const whole: Answer = bodiless ? { ...rest, body: '' } : { ...rest, ...(encodings && { encodings }) }
        // The usual text, as a path may hold it.
        await same(async (f) => view(await f(`http://orders${pathOf(whole)}`, { method }), read))
      }),
      { numRuns: 60 },
    )
  }, 60_000)
})

describe('a redirect', () => {
  const LAST = pathOf({ body: 'the last' }, '/last')
  const to = (location: string, status = 302, path = '/first'): string =>
    `http://orders${pathOf({ status, headers: [['location', location]], body: 'a redirect' }, path)}`

  test.each([301, 302, 303, 307, 308, 300, 304, 305])(
    'of status %i, by every method and body',
    async (status) => {
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        for (const [name, make] of Object.entries(bodies)) {
          // Node 20 detaches the bytes when it sends them, and cannot repeat them: below.
          if (/Array|View|long/.test(name) || ((method === 'GET' || method === 'HEAD') && name !== 'none'))
            continue
          const headers = { 'content-language': 'de', authorization: 'Basic x', 'x-mine': '1' }
          await same(async (f) => view(await f(to(LAST, status), { method, headers, ...make() })))
        }
      }
    },
    60_000,
  )

  test.each(['follow', 'manual', 'error'] as const)('in the mode %s', async (redirect) => {
    for (const status of [301, 303, 307]) {
      await same(async (f) => view(await f(to(LAST, status), { redirect })))
      await same(async (f) => view(await f(new Request(to(LAST, status), { redirect }))))
      // Without a place to go.
      await same(async (f) =>
        view(await f(`http://orders${pathOf({ status, body: 'nowhere' })}`, { redirect })),
      )
    }
  })

  test.each([
    'last?x=1',
    '../up',
    '?query',
    '#fragment',
    '//orders/last',
    'http://orders/last',
    'http://ORDERS:80/last',
    'http://orders.service.consul/last',
    'http://elsewhere/last',
    'http://user:secret@orders/last',
    'http://user:secret@elsewhere/last',
    'https://orders/last',
    'ftp://orders/last',
    'data:text/plain,x',
    'http://',
    '',
    '/caf\u00c3\u00a9',
    '/with space',
  ])('to %j', (location) =>
    same(async (f) =>
      view(await f(`${to(location)}#there`, { headers: { cookie: 'a=b', authorization: 'x' } })),
    ),
  )

  test('through 20 others, and no more', async () => {
    await same(async (f) => view(await f('http://orders/countdown/20')))
    await same(async (f) => view(await f('http://orders/countdown/21')))
  })

  test('whose own body is long, or never ends', async () => {
    for (const answer of [{ body: 'x'.repeat(500_000) }, { body: 'begun', stall: true }]) {
      const path = pathOf({ status: 302, headers: [['location', LAST]], ...answer })
      await same(async (f) => view(await f(`http://orders${path}`)))
    }
  })
})

describe('an abort', () => {
  const reasons = [undefined, new Error('mine'), 'a text'] as const

  test.each(reasons)('before the start, with the reason %s', (reason) =>
    same((f) => f('http://orders/', { signal: AbortSignal.abort(reason) })),
  )

  test.each(reasons)('before the head, with the reason %s', async (reason) => {
    const stages: Program[] = ['GET', 'POST'].map((method) => async (f) => {
      const controller = new AbortController()
      const fetching = f(`http://orders${pathOf({ silent: true })}`, { method, signal: controller.signal })
      fetching.catch(() => undefined)
      await vi.waitFor(() => expect(compared.seen).toHaveLength(1))
      controller.abort(reason)
      return fetching
    })
    for (const stage of stages) await same(stage)
  })

  test('by a Request of its own signal, and by init instead', () =>
    same(async (f) => {
      const first = new AbortController()
      const request = new Request(`http://orders${pathOf({ silent: true })}`, { signal: first.signal })
      const fetching = f(request)
      fetching.catch(() => undefined)
      await vi.waitFor(() => expect(compared.seen).toHaveLength(1))
      first.abort(new Error('the first'))
      const one = await fetching.catch(errorOf)
      return [one, await f(request.url, { signal: AbortSignal.timeout(50) }).catch(errorOf)]
    }))

  test.each(reasons)('within the body, with the reason %s, however it is read', async (reason) => {
    for (const read of ['text', 'json', 'arrayBuffer', 'blob', 'stream', 'clone', 'byob'] as const) {
      await same(async (f) => {
        const controller = new AbortController()
        const response = await f(`http://orders${pathOf({ body: 'begun', stall: true })}`, {
          signal: controller.signal,
        })
        const reading = view(response, read)
        controller.abort(reason)
        return reading
      })
    }
  })

  test('after it was read', () =>
    same(async (f) => {
      const controller = new AbortController()
      const response = await f(`http://orders${pathOf({ body: 'whole' })}`, { signal: controller.signal })
      const seen = await view(response)
      controller.abort()
      return seen
    }))

  test('between redirects', () =>
    same(async (f) => {
      const controller = new AbortController()
      const fetching = f('http://orders/countdown/3/silent', { signal: controller.signal })
      fetching.catch(() => undefined)
      await vi.waitFor(() => expect(compared.seen).toHaveLength(4))
      controller.abort(new Error('enough'))
      return fetching
    }))
})

describe('an upload', () => {
  test('whose stream fails', () =>
    same((f) => {
      let pulled = 0
      const body = new ReadableStream({
        pull(controller) {
          if (pulled++ === 0) controller.enqueue(Buffer.from('begun'))
          else controller.error(new RangeError('the source failed'))
        },
      })
      return f('http://orders/', { method: 'POST', body, duplex: 'half' })
    }))

  test('whose stream is used', () =>
    same((f) => {
      const body = streamOf('x')
      void body.getReader().read()
      return f('http://orders/', { method: 'POST', body, duplex: 'half' })
    }))
})
