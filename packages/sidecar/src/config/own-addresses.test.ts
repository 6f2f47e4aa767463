import { hostname, networkInterfaces } from 'node:os'
import { systemClock } from '@fairlead/sdk'
import { ManualClock } from '@fairlead/sdk/testing'
import { expect, test } from 'vitest'
import { OwnAddresses } from './own-addresses.js'

const WHY = 'its address is the one that this sidecar listens on'

function excludes(host: string, origin: string, addresses?: readonly string[]): boolean {
  const own = new OwnAddresses(systemClock)
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

test('the interfaces are asked for once a second, whatever a snapshot has', () => {
  const clock = new ManualClock()
  let asked = 0
  let addresses = ['192.0.2.1']
  const own = new OwnAddresses(clock, () => {
    asked++
    return addresses
  })
  own.add({ host: '0.0.0.0', port: 4140 })
  for (let last = 1; last < 255; last++) {
    expect(own.exclude({ origin: `http://192.0.2.${last}:4140`, addresses: undefined })).toBe(
      last === 1 ? WHY : undefined,
    )
  }
  expect(asked).toBe(1)
  addresses = ['192.0.2.2']
  clock.holdUp(1000)
  expect(own.exclude({ origin: 'http://192.0.2.2:4140', addresses: undefined })).toBe(WHY)
  expect(asked).toBe(2)
})
