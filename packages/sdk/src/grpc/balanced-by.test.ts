import { Channel, credentials, Metadata, status, type ClientOptions as StubOptions } from '@grpc/grpc-js'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import { withDeadline } from '../deadline/with-deadline.js'
import { balancedBy } from './balanced-by.js'
import { OrdersStub, servers, stage, staged, list } from './server.test.support.js'

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

function stub(target: string, options: StubOptions): OrdersStub {
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

  test.each(['127.0.0.1:33741', 'dns:orders', 'ipv4:127.0.0.1:1', 'unix:/tmp/orders', 'orders', 'fairlead:'])(
    'a stub to %s is refused',
    (target) => {
      const options = balancedBy(client())
      expect(() => stub(target, options)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: `the channel to ${target} has the client of orders: its target must be fairlead:orders`,
        }),
      )
    },
  )

  test('a factory of channels of the caller is asked, with a target that is checked', () => {
    const channelFactoryOverride = vi.fn<NonNullable<StubOptions['channelFactoryOverride']>>(
      (target, ...rest) => new Channel(target, ...rest),
    )
    const options = balancedBy(client(), { channelFactoryOverride })
    expect(() => stub('127.0.0.1:1', options)).toThrow('its target must be fairlead:orders')
    expect(channelFactoryOverride).not.toHaveBeenCalled()
    const made = stub('fairlead:orders', options)
    expect(made.getChannel()).toBe(channelFactoryOverride.mock.results[0]?.value)
    made.close()
  })

  test('a bare channel to another target fails its calls', async () => {
    const [a, b] = await servers('a', 'b')
    const { orders } = await staged([a])
    const channel = new Channel(b.address, credentials.createInsecure(), balancedBy(orders))
    const made = stub('any', { channelOverride: channel })
    await expect(made.get('any', { metadata: new Metadata({ waitForReady: true }) })).rejects.toMatchObject({
      code: status.INTERNAL,
      details: 'INVALID_OPTION: the channel has the client of orders: its target must be fairlead:orders',
    })
    expect([...a.calls, ...b.calls]).toEqual([])
    made.close()
  })

  test('a proxy of the environment is not asked', async () => {
    vi.stubEnv('grpc_proxy', 'http://127.0.0.1:1')
    const [a] = await servers('a')
    const made = stage()
    list(made, [a])
    expect(await made.stub.get()).toBe('a')
  })
})
