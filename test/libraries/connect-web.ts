import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect'
import { createConnectTransport } from '@connectrpc/connect-web'
import type { Client } from '@fairlead/sdk'
import { codeAmongCauses, type Library } from './library.js'
import { Orders } from './orders-service.js'

export function transportTo(orders: Client): Transport {
  return createConnectTransport({ baseUrl: 'http://orders', fetch: orders.fetch, useHttpGet: true })
}

export const connectWebLibrary: Library = {
  name: 'connect-web',
  hook({ orders }) {
    const rpc = createClient(Orders, transportTo(orders))
    return {
      async get(value, signal) {
        const answer = await rpc.get({ value }, signal && { signal })
        return answer.value
      },
      async post(value, signal) {
        const answer = await rpc.post({ value }, signal && { signal })
        return answer.value
      },
      // https://connectrpc.com/docs/protocol/#error-codes: a 503 is `unavailable`.
      statusOf: (error) =>
        error instanceof ConnectError && error.code === Code.Unavailable ? 503 : undefined,
      codeOf: codeAmongCauses,
      inspect: () => orders.inspect(),
    }
  },
}
