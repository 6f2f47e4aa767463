import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { BODY } from '../answer.js'
import { attemptsOf, complete, type Head, type Sender } from './sender.js'

const POSTED = JSON.stringify({ sku: 'A-100', count: 2 })

export interface SidecarAddress {
  /** Where applications send their requests. */
  readonly port: number
  /** Where `/endpoints` is. */
  readonly adminPort: number
  readonly service: string
}

interface Inspection {
  readonly services: readonly {
    readonly service: string
    readonly endpoints: readonly { readonly origin: string; readonly requests: number }[]
  }[]
}

/** An application beside a sidecar: Node's own client, with connections that it keeps. */
export function sidecarSender({ port, adminPort, service }: SidecarAddress): Sender {
  const agent = new Agent({ keepAlive: true })
  const request = (method: 'GET' | 'POST'): Promise<Head> =>
    new Promise((resolve, reject) => {
      const headers = {
        host: service,
        ...(method === 'POST' ? { 'content-length': Buffer.byteLength(POSTED) } : {}),
      }
      httpRequest({ agent, host: '127.0.0.1', port, path: '/v1/orders/42', method, headers })
        .on('response', (response) => resolve(headOf(response)))
        .on('error', reject)
        .end(method === 'POST' ? POSTED : undefined)
    })
  return {
    send: (method) => complete(request(method), BODY),
    attempts: async () => {
      const response = await fetch(`http://127.0.0.1:${adminPort}/endpoints`)
      const { services } = (await response.json()) as Inspection
      return attemptsOf(services.find((entry) => entry.service === service)?.endpoints ?? [])
    },
  }
}

function headOf(response: IncomingMessage): Head {
  const error = response.headers['x-fairlead-error']
  return {
    status: response.statusCode ?? 0,
    error: Array.isArray(error) ? error[0] : error,
    text: () => text(response),
  }
}
