import { createClient, fixedResolver, type Client } from '@fairlead/sdk'
import { http, HttpResponse } from 'msw'
import { setupServer } from 'msw/node'
import nock from 'nock'
import { fetch as undiciFetch, getGlobalDispatcher, MockAgent, request, setGlobalDispatcher } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startHttpServer } from '#test-support/http-server.js'

const URL_OF_ORDERS = 'http://orders/v1/orders/42'

describe('nock', () => {
  test('sees no request of a client, and keeps none from the network', async () => {
    const orders = await ordersOfServer()
    const scope = nock('http://orders').get('/v1/orders/42').reply(200, 'mocked')
    nock.disableNetConnect()
    onTestFinished(() => {
      nock.cleanAll()
      nock.enableNetConnect()
      nock.restore()
    })
    expect(await answers(orders)).toEqual(['real', 'real'])
    expect(scope.isDone()).toBe(false)
    // The global fetch is what it sees, also one that was given a dispatcher.
    const response = await fetch(URL_OF_ORDERS, { dispatcher: orders.dispatcher })
    expect(await response.text()).toBe('mocked')
  })
})

describe('msw', () => {
  test('sees no request of a client, and keeps none from the network', async () => {
    const orders = await ordersOfServer()
    const worker = setupServer(http.get(URL_OF_ORDERS, () => HttpResponse.text('mocked')))
    worker.listen({ onUnhandledRequest: 'error' })
    onTestFinished(() => worker.close())
    expect(await answers(orders)).toEqual(['real', 'real'])
    const response = await fetch(URL_OF_ORDERS, { dispatcher: orders.dispatcher })
    expect(await response.text()).toBe('mocked')
  })
})

describe('MockAgent', () => {
  test('in place of the dispatcher', async () => {
    const orders = await ordersOfServer()
    const mock = new MockAgent()
    mock.disableNetConnect()
    onTestFinished(() => mock.close())
    mock.get('http://orders').intercept({ path: '/v1/orders/42' }).reply(200, 'mocked').times(3)
    const own = await orders.fetch('/v1/orders/42', { dispatcher: mock })
    const other = await undiciFetch(URL_OF_ORDERS, { dispatcher: mock })
    const { body } = await request(URL_OF_ORDERS, { dispatcher: mock })
    expect([await own.text(), await other.text(), await body.text()]).toEqual(['mocked', 'mocked', 'mocked'])
    mock.assertNoPendingInterceptors()
  })

  test('as the global dispatcher sees no request of a client', async () => {
    const orders = await ordersOfServer()
    const mock = new MockAgent()
    mock.disableNetConnect()
    const before = getGlobalDispatcher()
    setGlobalDispatcher(mock)
    onTestFinished(async () => {
      setGlobalDispatcher(before)
      await mock.close()
    })
    await expect(request(URL_OF_ORDERS)).rejects.toMatchObject({ code: 'UND_MOCK_ERR_MOCK_NOT_MATCHED' })
    expect(await answers(orders)).toEqual(['real', 'real'])
  })

  test('takes no dispatcher of ours for its agent', async () => {
    const orders = await ordersOfServer()
    const mock = new MockAgent({ agent: orders.dispatcher })
    expect(() => mock.get('http://orders')).toThrow(TypeError)
  })
})

test('instead: a client of a server in the test', async () => {
  expect(await answers(await ordersOfServer())).toEqual(['real', 'real'])
})

/** By the two ways to ask that a client has. */
async function answers(orders: Client): Promise<string[]> {
  const response = await orders.fetch('/v1/orders/42')
  const { body } = await orders.request({ path: '/v1/orders/42' })
  return [await response.text(), await body.text()]
}

async function ordersOfServer(): Promise<Client> {
  const server = await startHttpServer((_, response) => response.end('real'))
  const orders = createClient('orders', { resolver: fixedResolver([server.origin]) })
  onTestFinished(async () => {
    await orders.close()
    await server[Symbol.asyncDispose]()
  })
  return orders
}
