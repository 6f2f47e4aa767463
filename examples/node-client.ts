// Three ways to use a client of the service `orders`; Consul is where CONSUL_HTTP_ADDR says.
//
//   node examples/dist/node-client.js

import { createClient } from '@fairlead/sdk'
import { request } from 'undici'

await using orders = createClient('orders')

// Its own `request`, which is undici's: a status code and a body that is a stream.
const { statusCode, body } = await orders.request({ path: '/v1/orders/1' })
console.log('request   ', statusCode, await body.json())

// `fetch`, as the process has it.
const response = await orders.fetch('/v1/orders/2')
console.log('fetch     ', response.status, await response.json())

// And a Dispatcher, for whatever speaks undici.
const answer = await request('http://orders/v1/orders/3', { dispatcher: orders.dispatcher })
console.log('dispatcher', answer.statusCode, await answer.body.json())
