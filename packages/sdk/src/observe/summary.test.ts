import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { createClient, fixedResolver, FairleadError, register } from '../index.js'

// What people print first, and what loggers serialize: short, and nothing of undici's insides.

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

test('a client, its dispatcher and what compose makes of that', async () => {
  const origins = Array.from({ length: 500 }, (_, index) => `http://127.0.0.1:${index + 1}`)
  await using orders = createClient('orders', { resolver: fixedResolver(origins), logger: silent })
  await orders.ready()
  const summary = {
    ...{ service: 'orders', resolver: 'a fixed list', freshness: 'fresh' },
    ...{ endpoints: 500, inflight: 0, unavailable: 0 },
  }
  expect(JSON.parse(JSON.stringify(orders))).toEqual(summary)
  expect(inspect({ orders })).toContain(`orders: Client { service: 'orders', resolver: 'a fixed list'`)
  expect(inspect(orders).length).toBeLessThan(200)
  const { dispatcher } = orders
  for (const shown of [dispatcher, dispatcher.compose((dispatch) => dispatch)]) {
    expect(inspect(shown)).toBe("ServiceDispatcher { service: 'orders', closed: false }")
    expect(JSON.parse(JSON.stringify(shown))).toEqual({ service: 'orders', closed: false })
  }
})

test('a registration', async () => {
  const agent = 'http://127.0.0.1:1'
  const registration = register({ name: 'orders', port: 1, consul: { address: agent }, logger: silent })
  expect(inspect(registration)).toMatch(/^Registration \{ service: 'orders'/)
  expect(JSON.parse(JSON.stringify(registration))).toMatchObject({ service: 'orders', id: registration.id })
  await registration.deregister()
})

test('an error says its message in JSON', () => {
  const error = new FairleadError('NO_ENDPOINTS', 'none', {
    service: 'orders',
    errors: [new Error('refused')],
  })
  expect(JSON.parse(JSON.stringify(error))).toEqual({
    name: 'FairleadError',
    code: 'NO_ENDPOINTS',
    message: 'none',
    service: 'orders',
    errors: ['refused'],
  })
})
