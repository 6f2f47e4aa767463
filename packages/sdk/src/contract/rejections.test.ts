import fc from 'fast-check'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { Dispatcher } from 'undici'
import { compare } from './compare.test.support.js'
import type { ServerScript } from './server.test.support.js'
import { runOn, turns, type Scenario } from './subjects.test.support.js'
import { errorText } from './trace.test.support.js'

const method = (): void => undefined
const whole = { onConnect: method, onHeaders: method, onData: method, onComplete: method, onUpgrade: method }

/** Handlers that lack something, or have something of the wrong kind. */
const handlers: Readonly<Record<string, unknown>> = {
  nothing: undefined,
  null: null,
  'a string': 'handler',
  'a function': method,
  'an empty object': {},
  'no onError': whole,
  'an onError that is not a function': { ...whole, onError: 1 },
  'no onConnect': { ...whole, onError: true, onConnect: undefined },
  'no onHeaders': { ...whole, onError: true, onHeaders: undefined },
  'no onData': { ...whole, onError: true, onData: undefined },
  'no onComplete': { ...whole, onError: true, onComplete: undefined },
  'no onUpgrade': { ...whole, onError: true, onUpgrade: undefined },
  'an onBodySent that is not a function': { ...whole, onError: true, onBodySent: 1 },
  'no onResponseError, of the newer generation': { onRequestStart: method },
}

/** Dispatches, and notes what came of it: in the handler, or as an exception. */
function attempt(given: unknown, options: unknown): Scenario {
  return async ({ dispatcher, trace }) => {
    const heard = (error: unknown): void => void trace.handler.push(errorText(error))
    // `true` stands for one that takes notes.
    const handler =
      typeof given === 'object' && given !== null && (given as { onError?: unknown }).onError === true
        ? { ...given, onError: heard }
        : given
    try {
      const taken = dispatcher.dispatch(
        options as Dispatcher.DispatchOptions,
        handler as Dispatcher.DispatchHandler,
      )
      trace.caller.push(`returned ${String(taken)}`)
    } catch (error) {
      trace.caller.push(`threw ${errorText(error)}`)
    }
    await turns(3)
  }
}

for (const [name, handler] of Object.entries(handlers)) {
  const invalid = { path: 'no-slash', method: 'GET' }
  if (name !== 'no onUpgrade')
    compare(
      `a handler that is ${name}`,
      { against: 'Client' },
      attempt(handler, name.includes('newer') ? invalid : { path: '/', method: 'GET' }),
    )
  compare(
    `a handler that is ${name}, with invalid options`,
    { against: 'Client' },
    attempt(handler, undefined),
  )
  compare(`a handler that is ${name}, with an invalid path`, { against: 'Client' }, attempt(handler, invalid))
  if (!name.includes('newer'))
    compare(
      `a handler that is ${name}, for an upgrade`,
      { against: 'Client' },
      attempt(handler, { path: '/', method: 'GET', upgrade: name === 'no onUpgrade' ? 'test' : 7 }),
    )
}

const odd = fc.constantFrom<unknown>(
  undefined,
  null,
  0,
  1,
  -1,
  NaN,
  Infinity,
  true,
  false,
  '',
  'x',
  {},
  [],
  Symbol.iterator,
)
const name = fc.constantFrom(
  'host',
  'Host',
  'content-length',
  'Content-Length',
  'transfer-encoding',
  'Transfer-Encoding',
  'keep-alive',
  'upgrade',
  'connection',
  'Connection',
  'expect',
  'x-a',
  'X-A',
  'constructor',
  '__proto__',
  'toString',
  'a b',
  '',
  'é',
  'a-name-that-is-long-enough-not-to-be-known',
  'x\r\ny',
)
const value = fc.oneof(
  odd,
  fc.constantFrom<unknown>(
    '0',
    '12',
    '+1',
    '1e3',
    'close',
    'close, x-a',
    'a b',
    'x\r\ny: z',
    'é',
    '☃',
    'a\tb',
    ['a', 'b'],
    ['a', null, 1],
    ['\n'],
    [{}],
    12,
    1.5,
    10n,
  ),
)
const flat = fc.array(fc.tuple(name, value), { maxLength: 3 })
const headers = fc.oneof(
  odd,
  flat.map((pairs) => Object.fromEntries(pairs)),
  flat.map((pairs) => pairs.flat()),
  flat.map((pairs) => new Map(pairs)),
  flat.map((pairs) => pairs.flat().slice(1)),
  fc.constant(new Set(['x'])),
  flat.map((pairs) => pairs.values()),
)
const path = fc.oneof(
  odd,
  fc.constantFrom<unknown>(
    '/',
    '/a?b=1',
    '/#',
    'http://x/',
    'httpx',
    '/a b',
    '/é',
    '/☃',
    '/\n',
    '*',
    'host:1',
  ),
)
const options = fc.record(
  {
    path,
    method: fc.oneof(odd, fc.constantFrom('GET', 'get', 'POST', 'patch', 'CONNECT', 'G T', 'É', 'M-SEARCH')),
    headers,
    body: fc.oneof(
      odd,
      fc.constantFrom<unknown>(() => undefined, new Date(0), new Uint8Array(0), new Map(), 10n),
    ),
    query: fc.oneof(odd, fc.constant({ a: 1 })),
    upgrade: fc.oneof(odd, fc.constantFrom('websocket', 'a\nb')),
    headersTimeout: odd,
    bodyTimeout: odd,
    reset: odd,
    expectContinue: odd,
    throwOnError: odd,
    maxRedirections: odd,
    typeOfService: fc.oneof(odd, fc.constantFrom(255, 256, 0.5)),
  },
  { requiredKeys: [] },
)
const likely = fc
  .tuple(
    options,
    fc.constantFrom(
      'path',
      'method',
      'headers',
      'body',
      'query',
      'upgrade',
      'headersTimeout',
      'bodyTimeout',
      'reset',
      'expectContinue',
      'throwOnError',
      'maxRedirections',
      'typeOfService',
    ),
  )
  .map(([all, one]) => ({
    path: '/',
    method: 'POST',
    ...(one in all ? { [one]: (all as Record<string, unknown>)[one] } : {}),
  }))

/** Of an iterator each side needs one of its own. */
function twice(given: object): [object, object] {
  const list = (given as { headers?: unknown }).headers
  if (typeof list !== 'object' || list === null || !('next' in list)) return [given, given]
  const pairs = [...(list as unknown as Iterable<unknown>)]
  return [
    { ...given, headers: pairs.values() },
    { ...given, headers: pairs.values() },
  ]
}

test('options of all kinds are refused by the same error, or by neither', async () => {
  const cut: ServerScript = { answers: (request) => request.socket.destroy() }
  let refused = 0
  await runOn('undici', { server: cut }, async ({ dispatcher: undici }) => {
    await runOn('fairlead', { server: cut }, async ({ dispatcher: fairlead, client }) => {
      const requests = (): number =>
        client?.inspect().endpoints.reduce((sum, { requests: n }) => sum + n, 0) ?? 0
      const outcome = (dispatcher: Dispatcher, given: object): string => {
        let heard = 'taken'
        let within = true
        const handler = {
          ...whole,
          onError: (error: Error) => (within ? (heard = errorText(error)) : undefined),
        }
        try {
          dispatcher.dispatch(
            given as Dispatcher.DispatchOptions,
            handler as unknown as Dispatcher.DispatchHandler,
          )
        } catch (error) {
          heard = `threw ${errorText(error)}`
        }
        within = false
        return heard
      }
      await fc.assert(
        fc.asyncProperty(fc.oneof(likely, options), async (given) => {
          const before = requests()
          const [first, second] = twice(given)
          const expected = outcome(undici, first)
          expect(outcome(fairlead, second)).toBe(expected)
          if (expected === 'taken') return
          refused++
          expect(requests()).toBe(before)
          await Promise.resolve()
        }),
        { numRuns: 1000 },
      )
    })
  })
  expect(refused).toBeGreaterThan(200)
})

test('a request that is refused is counted nowhere, nor waited for', async () => {
  const trace = await runOn(
    'fairlead',
    { connections: 1, server: { answers: () => undefined } },
    async (subject) => {
      const { dispatcher, client, server } = subject
      const first = dispatcher.request({ path: '/', method: 'GET' }).catch(() => undefined)
      await server.begun(1)
      const counted = (): unknown =>
        client
          ?.inspect()
          .endpoints.map(({ requests, inflight, failures }) => ({ requests, inflight, failures }))
      const before = counted()
      const body = Readable.from(['x'])
      await expect(dispatcher.request({ path: 'no-slash', method: 'PUT', body })).rejects.toMatchObject({
        code: 'UND_ERR_INVALID_ARG',
      })
      expect(body.destroyed).toBe(true)
      expect(counted()).toEqual(before)
      await dispatcher.destroy()
      await first
    },
  )
  expect(trace.server).toEqual(['GET / [] whole'])
})
