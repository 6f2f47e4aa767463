import { createClient, fixedResolver } from '@fairlead/sdk'
import { BODY } from '../answer.js'
import { attemptsOf, complete, type Head, type Sender } from './sender.js'

const POSTED = JSON.stringify({ sku: 'A-100', count: 2 })

/** Whether retries have the budget that they have by default. */
export type Budget = 'default' | 'none'

// A retry for every request, and more a second than are sent.
const NO_BUDGET = { retry: { budgetRatio: 1, budgetMinPerSecond: 1e6 } }

/** The SDK in the process of the load, with its defaults. */
export function sdkSender(origins: readonly string[], budget: Budget): Sender {
  const client = createClient('faults', {
    resolver: fixedResolver(origins),
    ...(budget === 'none' ? NO_BUDGET : {}),
  })
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
