import { credentials, type ChannelOptions } from '@grpc/grpc-js'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import { withDeadline } from '../deadline/with-deadline.js'
import { balancedBy } from './balanced-by.js'
import { OrdersStub, servers, stage, list } from './server.test.support.js'

const clients: Client[] = []
afterEach(async () => {
  vi.unstubAllEnvs()
  for (const client of clients.splice(0)) await client.close()
})

function client(service = 'orders'): Client {
  const made = createClient(service, { resolver: fixedResolver([]) })
  clients.push(made)
  return made
}

function stub(target: string, options: ChannelOptions): OrdersStub {
  return new OrdersStub(target, credentials.createInsecure(), options)
}

describe('balancedBy', () => {
  test('keeps the other options, and all but the load balancer of a service config', () => {
    const config = { methodConfig: [{ name: [{}], waitForReady: true }] }
    const options = balancedBy(client(), {
      'grpc.keepalive_time_ms': 7,
      'grpc.service_config': JSON.stringify(config),
    })
    expect(options).toMatchObject({ 'grpc.keepalive_time_ms': 7, 'grpc.enable_http_proxy': 0 })
    expect(JSON.parse(options['grpc.service_config'] ?? '')).toEqual({
      ...config,
      loadBalancingConfig: [{ fairlead: {} }],
    })
  })

  test.each([
    ['{', 'grpc.service_config is \'{\': it must be an object as JSON, such as {"methodConfig":[]}'],
    ['[]', 'grpc.service_config is \'[]\': it must be an object as JSON, such as {"methodConfig":[]}'],
    [
      '{"loadBalancingConfig":[{"round_robin":{}}]}',
      'grpc.service_config has a loadBalancingConfig: leave it out, as the client has its own (option balancer of createClient)',
    ],
  ])('refuses the service config %s', (text, message) => {
    const orders = client()
    expect(() => balancedBy(orders, { 'grpc.service_config': text })).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message }),
    )
  })

  test('has a transformer of calls of the caller see each with its deadline', async () => {
    const [a] = await servers('a')
    const seen: unknown[] = []
    const made = stage(
      {},
      {
        callInvocationTransformer: (call: { readonly callOptions: { readonly deadline?: unknown } }) => {
          seen.push(call.callOptions.deadline)
          return call
        },
      },
    )
    list(made, [a])
    await made.stub.get()
    await withDeadline(5000, () => made.stub.get())
    expect(seen).toEqual([undefined, expect.any(Number)])
  })

  test('refuses what is no client', () => {
    expect(() => balancedBy({} as Client)).toThrow('not a client of createClient()')
  })

  test('a channel says what is missing', () => {
    const options = balancedBy(client())
    expect(() => stub('fairlead:orders', {})).toThrow(
      'the channel to fairlead:orders has no client: give it the options that balancedBy(client) makes',
    )
    expect(() => stub('fairlead:///billing', options)).toThrow(
      'the channel to fairlead:///billing has the client of orders: its target must be fairlead:orders',
    )
    stub('fairlead:///orders', options).close()
  })

  test('a proxy of the environment is not asked', async () => {
    vi.stubEnv('grpc_proxy', 'http://127.0.0.1:1')
    const [a] = await servers('a')
    const made = stage()
    list(made, [a])
    expect(await made.stub.get()).toBe('a')
  })
})
