import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Dispatcher } from 'undici'
import type { Client } from '../client-interface.js'
import { runOn } from './subjects.test.support.js'
import { errorText } from './trace.test.support.js'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  // Halves of surrogate pairs among them, as a text that was cut has one at its end.
  fc.string({
    unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    maxLength: 4,
  }),
  fc.constantFrom('', 'a b', 'a&b=c', '%', '+', '#', '?', '👍', '__proto__', 'toString'),
)
const single = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.bigInt(),
  fc.boolean(),
  fc.constantFrom<unknown>(null, undefined, Symbol.iterator, {}, new Date(0), () => undefined),
)
const query = fc.oneof(
  fc.dictionary(text, fc.oneof(single, fc.array(single, { maxLength: 3 })), { maxKeys: 4 }),
  fc.constantFrom<unknown>(
    'a=b',
    new URLSearchParams('a=b'),
    new Map([['a', 1]]),
    ['a', 'b'],
    5,
    true,
    null,
    0,
    '',
  ),
)
const path = fc.constantFrom('/', '/v1/orders', '/%20', '/a?b=1', '/a#b')

type Query = NonNullable<Dispatcher.DispatchOptions['query']>

test('a query is on the wire as undici writes it, and one that undici cannot write fails by the same error', async () => {
  let failed = 0
  await runOn('undici', {}, async ({ dispatcher: undici, server: theirs }) => {
    await runOn('fairlead', {}, async ({ dispatcher: fairlead, server: ours, client }) => {
      const outcome = async (
        dispatcher: Dispatcher,
        lines: readonly string[],
        given: object,
      ): Promise<string> => {
        const before = lines.length
        try {
          const { body } = await dispatcher.request(given as Dispatcher.RequestOptions)
          await body.dump()
        } catch (error) {
          failed++
          expect(lines.length).toBe(before)
          return errorText(error)
        }
        return lines.slice(before).join()
      }
      await fc.assert(
        fc.asyncProperty(path, query, async (at, asked) => {
          const given = { path: at, method: 'GET', query: asked as Query }
          const expected = await outcome(undici, theirs.requests, given)
          expect(await outcome(fairlead, ours.requests, given)).toBe(expected)
        }),
        { numRuns: 500 },
      )
      const [endpoint] = (client as Client).inspect().endpoints
      expect(endpoint?.requests).toBe(ours.requests.length)
    })
  })
  expect(failed).toBeGreaterThan(50)
})

test('a query that throws is the fault of its caller, and no endpoint hears of it', async () => {
  await runOn(
    'fairlead',
    { options: { breaker: { volumeThreshold: 1 } } },
    async ({ dispatcher, client }) => {
      const queries: readonly object[] = [
        { text: 'x\ud83d' },
        {
          get page(): never {
            throw new Error('no page')
          },
        },
      ]
      for (const asked of queries) {
        for (let sent = 0; sent < 5; sent++) {
          await expect(
            dispatcher.request({ path: '/', method: 'GET', query: asked as Query }),
          ).rejects.toThrow(/URI malformed|no page/)
        }
      }
      expect((client as Client).inspect().endpoints).toMatchObject([
        { requests: 0, failures: 0, availability: { state: 'available' } },
      ])
    },
  )
})
