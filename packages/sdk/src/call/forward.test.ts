import { afterEach, describe, expect, test } from 'vitest'
import { serve } from '../client.test.support.js'
import { createClient, fixedResolver, type CallOptions, type Client } from '../index.js'
import { forwarderOf, type Handler } from '../internal.js'

const quiet = { info: ignore, warn: ignore, error: ignore }

let client: Client | undefined
afterEach(() => client?.dispatcher.destroy())

async function connect(): Promise<Client> {
  const origin = await serve((request, response) => {
    response.end(`${request.method} ${request.url} ${JSON.stringify(request.rawHeaders)}`)
  })
  return (client = createClient('orders', { resolver: fixedResolver([origin]), logger: quiet }))
}

/** What the handler hears in the end: the body, or the error. */
function forward(through: Client, options: CallOptions): Promise<unknown> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const handler: Handler = {
      onConnect: ignore,
      onHeaders: () => true,
      onData: (chunk) => chunks.push(chunk) > 0,
      onComplete: () => resolve(Buffer.concat(chunks).toString()),
      onError: resolve,
    }
    forwarderOf(through).forward(options, handler)
  })
}

describe('forward', () => {
  test('sends a request as it was read off the wire', async () => {
    const orders = await connect()
    const headers = ['Host', 'shop', 'X-Twice', 'a', 'x-twice', 'b']
    const received = ['host', 'shop', 'connection', 'keep-alive', 'X-Twice', 'a', 'x-twice', 'b']
    expect(await forward(orders, { method: 'GET', path: '/a?b=//c', headers })).toBe(
      `GET /a?b=//c ${JSON.stringify(received)}`,
    )
  })

  test('of what undici cannot send fails by undici’s error, and counts against no endpoint', async () => {
    const orders = await connect()
    const error = await forward(orders, { method: 'GET', path: '/', headers: ['no token', 'x'] })
    expect(error).toMatchObject({ code: 'UND_ERR_INVALID_ARG', message: 'invalid header key' })
    expect(orders.inspect().endpoints).toMatchObject([
      { inflight: 0, failures: 0, availability: { state: 'available' } },
    ])
    expect(await forward(orders, { method: 'GET', path: '/next' })).toMatch(/^GET \/next /)
  })

  test('tells the handler where the client is closed', async () => {
    const orders = await connect()
    await orders.close()
    expect(await forward(orders, { method: 'GET', path: '/' })).toMatchObject({ code: 'CLIENT_CLOSED' })
  })
})

function ignore(): void {}
