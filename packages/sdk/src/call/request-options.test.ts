import { afterEach, expect, test } from 'vitest'
import { createClient, fixedResolver, type Client } from '../index.js'
import { serve } from '../client.test.support.js'
import { parseServiceName } from '../validation/service-name.js'
import { readRequest } from './request-options.js'

let client: Client | undefined
afterEach(() => client?.close())

test.each([
  ['http://orders/x', '/x'],
  ['http://ORDERS/x?y=1#part', '/x?y=1'],
  ['http://orders:80/x', '/x'],
  ['http://orders.service.consul/x', '/x'],
  ['http://orders', '/'],
  ['http://orders?y=1', '/?y=1'],
])('of the URL %s of the service the path is sent', async (path, sent) => {
  const urls: (string | undefined)[] = []
  const origin = await serve((request, response) => {
    urls.push(request.url)
    response.end()
  })
  client = createClient('orders', { resolver: fixedResolver([origin]) })
  const { body } = await client.request({ path })
  await body.dump()
  expect(urls).toEqual([sent])
  expect(client.explain({ path }).picked).toMatchObject({ origin })
})

test('the address of a caller is not read by a request that no balancer hashes by it', async () => {
  const origin = await serve((_, response) => response.end())
  client = createClient('orders', { resolver: fixedResolver([origin]) })
  let read = 0
  class Peer {
    get address(): string {
      read++
      return '10.0.0.7'
    }
  }
  const { body } = await client.request({ path: '/', caller: new Peer() })
  await body.dump()
  expect(read).toBe(0)
})

const orders = parseServiceName('orders')

test.each([
  { path: '/' },
  { path: 'http://orders/v1' },
  { path: 'elsewhere:443', method: 'CONNECT' },
  { path: '/', origin: 'http://orders', timeoutMs: 5, hashKey: 'a', caller: { address: '10.0.0.7' } },
])('takes %j', (options) => {
  expect(() => readRequest(options, orders)).not.toThrow()
})

test.each([
  [undefined, /^options of request/],
  [null, /^options of request/],
  ['/v1', /^options of request/],
  [{}, /^path of request/],
  [{ path: 5 }, /^path of request/],
  [{ path: 'v1' }, /^path of request/],
  [{ path: 'v1/' }, /^path of request/],
  [{ path: 'ftp://orders/v1' }, /^path of request/],
  [{ path: 'a/http://orders/v1' }, /^path of request/],
  [{ path: '/', json: {} }, /^request: unknown option json: .* \(here it is body: JSON\.stringify/],
  [{ path: '/', timeOutMs: 5 }, /^request: unknown option timeOutMs: .*timeoutMs/],
])('refuses %j, and says what to write', (options, message) => {
  expect(() => readRequest(options, orders)).toThrow(message)
})
