import { expect, test } from 'vitest'
import { withHeaders } from './with-headers.js'

test.each([
  [undefined, { 'X-One': '1', two: '2' }],
  [null, { 'X-One': '1', two: '2' }],
  [{ accept: '*/*' }, { accept: '*/*', 'X-One': '1', two: '2' }],
  [{ 'x-one': 'own' }, { 'x-one': 'own', two: '2' }],
  [
    ['Two', 'own'],
    ['Two', 'own', 'X-One', '1'],
  ],
])('%j with two more is %j', (headers, expected) => {
  const options = { method: 'GET', path: '/', ...(headers === undefined ? {} : { headers }) } as const
  expect(withHeaders(options, ['X-One', '1', 'two', '2']).headers).toEqual(expected)
})

test('a request that has them all is returned as it is', () => {
  const options = { method: 'GET', path: '/', headers: { 'X-ONE': 'own' } } as const
  expect(withHeaders(options, ['x-one', '1'])).toBe(options)
})
