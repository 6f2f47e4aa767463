import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { cacheStores, interceptors, RetryAgent, type Dispatcher } from 'undici'
import { compare } from './compare.test.support.js'
import type { DifferenceName } from './differences.test.support.js'
import { Recorder } from './recorder.test.support.js'
import type { Behaviour } from './server.test.support.js'
import { runOn, turns, type Subject } from './subjects.test.support.js'
import { errorText, headersText } from './trace.test.support.js'

const answers: Behaviour = (request, response, body, nth) => {
  const url = new URL(String(request.url), 'http://x')
  void body.then((content) => {
    switch (url.pathname) {
      case '/503':
        return response.writeHead(503, { 'content-type': 'text/plain' }).end('not now')
      case '/flaky':
        return response.writeHead(nth === 1 ? 503 : 200).end(`try ${nth}`)
      case '/reset':
        return nth === 1 ? request.socket.destroy() : response.end(`try ${nth}: ${content.toString()}`)
      case '/cut':
        response.writeHead(200, { 'content-length': 10, etag: '"1"' })
        if (nth > 1) return response.end('0123456789')
        response.write('01234')
        return setImmediate(() => request.socket.destroy())
      case '/range':
        if (nth > 1) {
          const range = { 'content-range': 'bytes 5-9/10', 'content-length': 5, etag: '"1"' }
          return response.writeHead(206, range).end('56789')
        }
        response.writeHead(200, { 'content-length': 10, etag: '"1"' })
        response.write('01234')
        return setTimeout(() => request.socket.destroy(), 20)
      case '/302':
        return response.writeHead(302, { location: '/to?from=302' }).end('elsewhere')
      case '/307':
        return response.writeHead(307, { location: '/to' }).end()
      case '/loop':
        return response.writeHead(302, { location: '/loop' }).end()
      case '/json':
        return response.writeHead(422, { 'content-type': 'application/json' }).end('{"field":"name"}')
      case '/cached':
        return response.writeHead(200, { 'cache-control': 'max-age=60' }).end(`made ${nth}`)
      case '/gzip':
        return response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('deflated'))
      default:
        return response.end(`${String(request.method)} ${content.toString()}`)
    }
  })
}

const passing: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
  dispatch(options, handler)
const fast = { minTimeout: 1, maxTimeout: 5, maxRetries: 2, timeoutFactor: 1 }

interface Case {
  readonly name: string
  readonly path: string
  readonly method?: Dispatcher.HttpMethod
  readonly body?: string
  readonly times?: number
  readonly with: () => Dispatcher.DispatcherComposeInterceptor
}

const cases: readonly Case[] = [
  { name: 'one that only passes on', path: '/', with: () => passing },
  { name: 'retry, of a 503', path: '/503', with: () => interceptors.retry(fast) },
  {
    name: 'retry that does not throw, of a 503',
    path: '/503',
    with: () => interceptors.retry({ ...fast, throwOnError: false }),
  },
  {
    name: 'retry that does not throw, of a 503 that passes',
    path: '/flaky',
    with: () => interceptors.retry({ ...fast, throwOnError: false }),
  },
  { name: 'retry, of a reset', path: '/reset', with: () => interceptors.retry(fast) },
  {
    name: 'retry, of a reset PUT',
    path: '/reset',
    method: 'PUT',
    body: 'x',
    with: () => interceptors.retry(fast),
  },
  {
    name: 'retry, of a POST that it does not retry',
    path: '/reset',
    method: 'POST',
    body: 'x',
    with: () => interceptors.retry(fast),
  },
  {
    name: 'retry, of a body cut that goes on by range',
    path: '/range',
    with: () => interceptors.retry(fast),
  },
  { name: 'retry, of a body cut without ranges', path: '/cut', with: () => interceptors.retry(fast) },
  { name: 'redirect', path: '/302', with: () => interceptors.redirect({ maxRedirections: 3 }) },
  {
    name: 'redirect, of a POST',
    path: '/302',
    method: 'POST',
    body: 'x',
    with: () => interceptors.redirect({ maxRedirections: 3 }),
  },
  {
    name: 'redirect, with the body again',
    path: '/307',
    method: 'POST',
    body: 'x',
    with: () => interceptors.redirect({ maxRedirections: 3 }),
  },
  { name: 'redirect, without end', path: '/loop', with: () => interceptors.redirect({ maxRedirections: 3 }) },
  { name: 'dump', path: '/', with: () => interceptors.dump() },
  {
    name: 'dump, of too much',
    path: '/',
    method: 'POST',
    body: 'long enough',
    with: () => interceptors.dump({ maxSize: 4 }),
  },
  { name: 'responseError', path: '/json', with: () => interceptors.responseError() },
  { name: 'responseError, of what is not an error', path: '/', with: () => interceptors.responseError() },
  {
    name: 'cache',
    path: '/cached',
    times: 3,
    with: () => interceptors.cache({ store: new cacheStores.MemoryCacheStore() }),
  },
  { name: 'deduplicate', path: '/', times: 2, with: () => interceptors.deduplicate() },
  { name: 'decompress', path: '/gzip', with: () => interceptors.decompress() },
]

async function ask({ dispatcher, origin, trace }: Subject, wrapped: Dispatcher, each: Case): Promise<void> {
  expect(dispatcher).not.toBe(wrapped)
  for (let n = 0; n < (each.times ?? 1); n++) {
    const { path, method = 'GET', body = null } = each
    const asked = wrapped.request({ origin, path, method, body })
    const text = await asked.then(
      async ({ statusCode, headers, body: content }) => {
        const whole = await content.text().catch((error: unknown) => errorText(error))
        return `${statusCode} ${headersText(headers)}: ${whole}`
      },
      (error: unknown) => errorText(error),
    )
    trace.caller.push(text.replace(/age=\d+ /, ''))
  }
}

async function listen({ origin, trace }: Subject, wrapped: Dispatcher, each: Case): Promise<void> {
  const { path, method = 'GET', body = null } = each
  for (const generation of ['older', 'newer'] as const) {
    const recorder = new Recorder(trace)
    wrapped.dispatch({ origin, path, method, body }, recorder.handler(generation))
    await recorder.ended
    await turns(5)
  }
  trace.handler = trace.handler.map((line) => line.replace(/age=\d+ /, ''))
}

for (const each of cases) {
  const comparison = { server: { answers } }
  describe(each.name, () => {
    compare('asked by request', comparison, (subject) =>
      ask(subject, subject.dispatcher.compose(each.with()), each),
    )
    compare('with handlers of both generations', comparison, (subject) =>
      listen(subject, subject.dispatcher.compose(each.with()), each),
    )
    compare('between two others', comparison, (subject) =>
      ask(subject, subject.dispatcher.compose([passing, each.with(), passing]), each),
    )
    compare('composed twice', comparison, (subject) =>
      ask(subject, subject.dispatcher.compose(each.with()).compose(passing), each),
    )
  })
}

describe('RetryAgent', () => {
  for (const path of ['/reset', '/503', '/flaky', '/range']) {
    const each = { name: path, path, with: () => passing }
    compare(`of ${path}`, { server: { answers } }, (subject) =>
      ask(subject, new RetryAgent(subject.dispatcher, fast), each),
    )
  }
})

describe('the end of what is composed', () => {
  for (const method of ['close', 'destroy'] as const) {
    const differs: DifferenceName[] = [
      method === 'close' ? 'close may be called again' : 'its own word for closed',
    ]
    compare(`${method}, as a promise`, { differs }, async ({ dispatcher, trace }) => {
      const composed = dispatcher.compose(passing, interceptors.retry())
      await (await composed.request({ path: '/', method: 'GET' })).body.dump()
      await composed[method]()
      trace.caller.push(`destroyed ${String((dispatcher as unknown as { destroyed: boolean }).destroyed)}`)
    })
    compare(`${method}, with a callback`, { differs }, async ({ dispatcher, trace }) => {
      const composed = dispatcher.compose(passing)
      const given = await new Promise<unknown[]>((resolve) =>
        composed[method]((...args: unknown[]) => resolve(args)),
      )
      trace.caller.push(`called with ${JSON.stringify(given)}`)
    })
  }
  compare('is visible', { differs: ['close may be called again'] }, async ({ dispatcher, trace }) => {
    const composed = dispatcher.compose(passing) as Dispatcher & { closed: boolean; destroyed: boolean }
    const note = (): void =>
      void trace.caller.push(`closed ${composed.closed} destroyed ${composed.destroyed}`)
    note()
    const closing = composed.close()
    note()
    await closing
    note()
  })
})

test('dns has nothing to resolve in a service: the address it puts in is refused, and the error says so', async () => {
  const lookup = (
    _: unknown,
    __: unknown,
    done: (error: null, found: { address: string; family: 4 }[]) => void,
  ): void => done(null, [{ address: '127.0.0.1', family: 4 }])
  const trace = await runOn('fairlead', {}, async (subject) => {
    const dns = interceptors.dns({ lookup: lookup as never })
    await ask(subject, subject.dispatcher.compose(dns), { name: 'dns', path: '/', with: () => dns })
  })
  expect(trace.caller).toEqual([
    'FairleadError INVALID_OPTION: origin is "http://127.0.0.1": a client of orders serves http://orders only, and follows no redirect elsewhere (such as to the address of an instance)',
  ])
  expect(trace.server).toEqual([])
})
