import fc from 'fast-check'
import { expect, test } from 'vitest'
import { targetOf } from './target.js'

const BASE = 'http://orders'

test('a path is what a URL makes of it, whether a URL is made or not', () => {
  // Of the characters that mean something to the URL standard, and of some that do not.
  const parts = fc.constantFrom(...String.raw`/ . .. %2e %2E%2e % ? # \ : @ &`.split(' '), ' ', '\t', '\n')
  const others = fc.constantFrom(
    ...`a 1 ~ - _ = ; , + $ ! * ( ) ' " < > | ^ \` { } ü ✓ \u0000 \ud800`.split(' '),
  )
  const path = fc.array(fc.oneof({ weight: 3, arbitrary: parts }, others), { maxLength: 12 })
  fc.assert(
    fc.property(path, (pieces) => {
      const text = `/${pieces.join('')}`
      if (!URL.canParse(text, BASE)) return
      const url = new URL(text, BASE)
      if (url.username !== '' || url.password !== '') return
      const target = targetOf(text, BASE)
      const [whole = ''] = url.href.split('#')
      expect([target.origin, target.origin + target.path, target.href]).toEqual([url.origin, whole, whole])
    }),
    { numRuns: 20_000 },
  )
})

test.each([
  ['/path?', '/path?'],
  ['?', '/?'],
  ['/#x', '/'],
  ['v1/orders', '/v1/orders'],
  ['', '/'],
])('%j is sent as %s', (input, path) => {
  expect(targetOf(input, BASE).path).toBe(path)
})
