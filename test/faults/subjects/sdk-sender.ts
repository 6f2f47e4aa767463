import { createClient, fixedResolver, type ClientOptions } from '@fairlead/sdk'
import { BODY } from '../answer.js'
import { attemptsOf, complete, type Head, type Sender } from './sender.js'

const POSTED = JSON.stringify({ sku: 'A-100', count: 2 })

/** `hold`: responses are handed on once they are whole. */
export type Setting = 'default' | 'no-budget' | 'hold' | 'retry-500'

const settings: Readonly<Record<Setting, Pick<ClientOptions, 'retry'>>> = {
  default: {},
  // A retry for every request, and more a second than are sent.
  'no-budget': { retry: { budgetRatio: 1, budgetMinPerSecond: 1e6 } },
  // More than a response has.
  hold: { retry: { holdBytes: 64 * 1024 } },
  'retry-500': { retry: { statuses: [500, 502, 503, 504] } },
}

/** The SDK in the process of the load. */
export function sdkSender(origins: readonly string[], setting: Setting): Sender {
  const client = createClient('faults', { resolver: fixedResolver(origins), ...settings[setting] })
  const request = async (method: 'GET' | 'POST'): Promise<Head> => {
    const { statusCode, body } = await client.request({
      path: '/v1/orders/42',
      method,
      ...(method === 'POST' ? { body: POSTED } : {}),
    })
    return { status: statusCode, error: undefined, text: () => body.text() }
  }
  return {
    send: (method) => complete(request(method), BODY),
    attempts: () => Promise.resolve(attemptsOf(client.inspect().endpoints)),
  }
}
