import { expect, test } from 'vitest'
import { hostOf, originOf } from './origin.js'

test.each([
  ['http://10.0.0.1:80', '10.0.0.1'],
  ['https://orders.internal:443', 'orders.internal'],
  ['http://[fd00::1]:80', '[fd00::1]'],
  // A resolver of a user may leave the port out.
  ['http://orders', 'orders'],
  ['http://[::1]', '[::1]'],
])('the host of %s is %s', (origin, host) => {
  expect(hostOf(origin)).toBe(host)
})

test.each([
  ['10.0.0.1', 'http://10.0.0.1:80'],
  ['fd00::1', 'http://[fd00::1]:80'],
  ['[fd00::1]', 'http://[fd00::1]:80'],
  ['Orders_1.internal', 'http://orders_1.internal:80'],
  ['a/b', undefined],
  ['a:1', undefined],
  ['user@a', undefined],
  ['a b', undefined],
  ['a?', undefined],
  ['', undefined],
])('the origin of %s is %s', (host, origin) => {
  expect(originOf('http', host, 80)).toBe(origin)
})
