import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client, type ClientOptions } from '../index.js'
import { forwarderOf } from '../internal.js'
import { serve } from '../client.test.support.js'
import { systemClock } from '../clock.js'
import { FakeResolver, instanceAt } from '../testing/index.js'

/** Whose work runs, as a tracer would keep it. */
const whose = new AsyncLocalStorage<string>()

/** In whose context undici was given the request of each path, which is where tracing begins a span. */
const created: [path: string, whose: string | undefined][] = []
const sockets: (string | undefined)[] = []
const onCreate = (message: unknown): void => {
  created.push([(message as { request: { path: string } }).request.path, whose.getStore()])
}
const onSocket = (): void => void sockets.push(whose.getStore())

beforeEach(() => {
  created.length = 0
  sockets.length = 0
  subscribe('undici:request:create', onCreate)
  subscribe('net.client.socket', onSocket)
})

let client: Client | undefined
afterEach(async () => {
  unsubscribe('undici:request:create', onCreate)
  unsubscribe('net.client.socket', onSocket)
  await client?.dispatcher.destroy()
})

const quiet = { info: ignore, warn: ignore, error: ignore }

function connect(options: ClientOptions): Client {
  return (client = createClient('orders', { logger: quiet, ...options }))
}

function connected(): Client {
  if (client === undefined) throw new Error('there is no client yet')
  return client
}

function ask(caller: string, path: string, method: Dispatcher.HttpMethod = 'GET'): Promise<unknown> {
  return whose.run(caller, async () => {
    const { body } = await connected().request({ path, method })
    await body.dump()
  })
}

test.each([
  ['a retry, and the pick for it, are', true, 2],
  ['a request that is sent again, as its connection was closed behind the response before it, is', false, 1],
])('%s for its caller', async (_, rested, expected) => {
  const once = new Set<string>()
  const origin = await serve((request, response) => {
    const again = once.has(request.url ?? '')
    once.add(request.url ?? '')
    if (request.url?.startsWith('/reset') === true && !again) request.socket.destroy()
    else response.end()
  })
  const picks: (string | undefined)[] = []
  connect({
    resolver: fixedResolver([origin, await serve((_, response) => response.end())]),
    balancer: (endpoints) => ({
      pick: ({ tried }) => {
        picks.push(whose.getStore())
        return endpoints[tried.length]
      },
    }),
  })
  await ask('the first', '/open')
  if (rested) await delay(20)
  picks.length = 0
  await ask('the second', '/reset')
  expect(picks).toEqual(Array.from({ length: expected }, () => 'the second'))
  expect(created.slice(1)).toEqual([
    ['/reset', 'the second'],
    ['/reset', 'the second'],
  ])
})

test('a request from the queue is for its own caller', async () => {
  connect({
    resolver: fixedResolver([await serve((_, response) => response.end())]),
    connections: { maxPerEndpoint: 1 },
  })
  const callers = ['a', 'b', 'c', 'd']
  await Promise.all(callers.map((caller) => ask(caller, `/${caller}`, 'POST')))
  expect(created).toEqual(callers.map((caller) => [`/${caller}`, caller]))
})

test('a request that waited for discovery is for its own caller', async () => {
  const resolver = new FakeResolver()
  connect({ resolver })
  const sent = ask('the waiting', '/')
  const origin = await serve((_, response) => response.end())
  whose.run('who brought the set', () => resolver.snapshot([instanceAt(origin)]))
  await sent
  expect(created).toEqual([['/', 'the waiting']])
})

test('every callback of a handler is for its caller, on a connection of another', async () => {
  const origin = await serve((request, response) => {
    request.resume()
    if (request.url === '/never') return
    response.write('some')
    response.end('more')
  })
  connect({ resolver: fixedResolver([origin]), timeoutMs: 300 })
  await ask('the first', '/open')
  const heard = new Map<string, string | undefined>()
  const note = (what: string): void => void heard.set(what, whose.getStore())
  const dispatch = (path: string): Promise<void> =>
    new Promise((resolve) => {
      const handler = {
        onConnect: () => note('connect'),
        onHeaders: () => {
          note('head')
          return true
        },
        onData: () => {
          note('data')
          return true
        },
        onComplete: () => {
          note('complete')
          resolve()
        },
        onError: () => {
          note('error')
          resolve()
        },
        onBodySent: () => note('body sent'),
        onRequestSent: () => note('request sent'),
        onResponseStarted: () => note('response started'),
      }
      client?.dispatcher.dispatch({ path, method: 'PUT', body: 'x' }, handler)
    })
  await whose.run('the second', () => dispatch('/'))
  // Its deadline: the timer is one for all.
  const late = whose.run('the third', () => dispatch('/never'))
  await late
  expect(Object.fromEntries(heard)).toEqual({
    connect: 'the third',
    head: 'the second',
    data: 'the second',
    complete: 'the second',
    error: 'the third',
    'body sent': 'the third',
    'request sent': 'the third',
    'response started': 'the second',
  })
})

test('what a proxy forwards is in no context of a caller', async () => {
  connect({ resolver: fixedResolver([await serve((_, response) => response.end('some'))]) })
  const heard: (string | undefined)[] = []
  const note = (): boolean => {
    heard.push(whose.getStore())
    return true
  }
  await whose.run(
    'a caller',
    () =>
      new Promise<void>((resolve, reject) => {
        const handler = {
          onConnect: ignore,
          onHeaders: note,
          onData: note,
          onComplete: () => {
            note()
            resolve()
          },
          onError: reject,
        }
        forwarderOf(connected()).forward({ path: '/', method: 'GET' }, handler)
      }),
  )
  expect(heard).toEqual([undefined, undefined, undefined])
})

test('a deadline that another request has set the timer for', async () => {
  connect({ resolver: fixedResolver([await serve(ignore)]), timeoutMs: 200, retry: false })
  const heard: Record<string, string | undefined> = {}
  const sent = ['a', 'b', 'c'].map((caller) =>
    whose.run(caller, async () => {
      await client?.request({ path: '/' }).catch(() => (heard[caller] = whose.getStore()))
    }),
  )
  await Promise.all(sent)
  expect(heard).toEqual({ a: 'a', b: 'b', c: 'c' })
})

test('a listener is told in the context that it was added in', async () => {
  const resolver = new FakeResolver()
  connect({ resolver })
  const heard = new Promise((resolve) =>
    whose.run('the listener', () => client?.onDiscovery(() => resolve(whose.getStore()))),
  )
  whose.run('who brought the set', () => resolver.snapshot([]))
  expect(await heard).toBe('the listener')
})

test('watches, timers, connections and what is said of a circuit are in no context of a caller', async () => {
  const watched: (string | undefined)[] = []
  const said: (string | undefined)[] = []
  const origin = await serve((_, response) => response.writeHead(500).end())
  const inner = fixedResolver([origin])
  const resolver = {
    name: 'ours',
    watch: (service: string, signal: AbortSignal) => {
      watched.push(whose.getStore())
      return inner.watch(service, signal)
    },
  }
  await whose.run('the first', async () => {
    connect({
      resolver,
      logger: { ...quiet, warn: () => void said.push(whose.getStore()) },
      breaker: { volumeThreshold: 5 },
      panicThreshold: 0,
    })
    for (let n = 0; n < 10; n++) await client?.request({ path: '/' }).then(({ body }) => body.dump(), ignore)
  })
  const timer = new Promise((resolve) =>
    whose.run('the second', () => systemClock.setTimer(() => resolve(whose.getStore()), 1)),
  )
  expect(await timer).toBeUndefined()
  expect(watched).toEqual([undefined])
  // Those of the client are all there are.
  expect(sockets).toEqual([undefined])
  await expect.poll(() => said.length).toBeGreaterThan(0)
  expect(said).toEqual(said.map(() => undefined))
})

function ignore(): void {}
