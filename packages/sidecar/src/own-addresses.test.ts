import { hostname, networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { OwnAddresses } from './own-addresses.js'

const WHY = 'its address is the one that this sidecar listens on'

function excludes(host: string, origin: string, addresses?: readonly string[]): boolean {
  const own = new OwnAddresses()
  own.add({ host: '127.0.0.9', port: 1 })
  own.add({ host, port: 4140 })
  const reason = own.exclude({ origin, addresses })
  if (reason !== undefined) expect(reason).toBe(WHY)
  return reason !== undefined
}

test.each([
  ['127.0.0.1', 'http://127.0.0.1:4140'],
  ['127.0.0.1', 'https://127.0.0.1:4140'],
  ['127.0.0.1', 'http://0.0.0.0:4140'],
  ['127.0.0.1', 'http://localhost:4140'],
  ['127.0.0.1', 'http://[::ffff:127.0.0.1]:4140'],
  ['localhost', 'http://127.0.0.1:4140'],
  ['::1', 'http://[::1]:4140'],
  ['10.1.2.3', 'http://10.1.2.3:4140'],
  ['0.0.0.0', 'http://127.0.0.1:4140'],
  ['0.0.0.0', 'http://127.9.9.9:4140'],
  ['::', 'http://127.0.0.1:4140'],
  ['::', 'http://[::1]:4140'],
  ['::', `http://${hostname()}:4140`],
])('listening on %s, %s is itself', (host, origin) => {
  expect(excludes(host, origin)).toBe(true)
})

test('on a wildcard every address of this machine is', () => {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  expect(addresses.length).toBeGreaterThan(0)
  for (const { address, family } of addresses) {
    expect(excludes('0.0.0.0', `http://${family === 'IPv6' ? `[${address}]` : address}:4140`)).toBe(true)
  }
})

test('a name is what it leads to', () => {
  expect(excludes('127.0.0.1', 'http://orders.example:4140', ['127.0.0.1'])).toBe(true)
  expect(excludes('127.0.0.1', 'http://orders.example:4140', ['192.0.2.1'])).toBe(false)
})

test.each([
  ['127.0.0.1', 'http://127.0.0.1:4141'],
  ['127.0.0.1', 'http://127.0.0.2:4140'],
  ['127.0.0.1', 'http://192.0.2.1:4140'],
  ['10.1.2.3', 'http://127.0.0.1:4140'],
  ['0.0.0.0', 'http://192.0.2.1:4140'],
  ['0.0.0.0', 'http://orders.example:4140'],
  ['127.0.0.1', 'http://127.0.0.1'],
])('listening on %s, %s is another', (host, origin) => {
  expect(excludes(host, origin)).toBe(false)
})
