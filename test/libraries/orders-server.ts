import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { buildSchema, graphql } from 'graphql'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { serve, type Instance } from '#sidecar/testing/rig.test.support.js'
import { Orders } from './orders-service.js'

/** To be answered with a 503. */
export const UNAVAILABLE = 'unavailable'
/** Not to be answered. */
export const SILENT = 'silent'

/** A server that sends back what it is sent, by every protocol that a library of these tests speaks. */
export class OrdersServer {
  readonly instance: Instance
  /** `GET /path` of every request whose head has come. */
  readonly requests: string[]
  readonly #abandoned: { count: number }

  private constructor(instance: Instance, requests: string[], abandoned: { count: number }) {
    this.instance = instance
    this.requests = requests
    this.#abandoned = abandoned
  }

  /** Ends with the test. */
  static async start(): Promise<OrdersServer> {
    const requests: string[] = []
    const abandoned = { count: 0 }
    const rpc = connectNodeAdapter({
      routes,
      fallback: (request, response) => void answer(request as IncomingMessage, response as ServerResponse),
    })
    const instance = await serve((request, response) => {
      requests.push(`${String(request.method)} ${String(request.url).replace(/\?.*/, '')}`)
      response.on('close', () => (abandoned.count += response.writableFinished ? 0 : 1))
      rpc(request, response)
    })
    return new OrdersServer(instance, requests, abandoned)
  }

  /** Requests whose client went before there was an answer. */
  get abandoned(): number {
    return this.#abandoned.count
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://orders')
  const body = await textOf(request)
  const given = (body === '' ? Object.fromEntries(searchParams) : JSON.parse(body)) as Given
  const variables =
    typeof given.variables === 'string' ? (JSON.parse(given.variables) as Echo) : given.variables
  const { text } = variables ?? given
  if (text === SILENT) return
  response.setHeader('content-type', 'application/json')
  response.statusCode = text === UNAVAILABLE ? 503 : 200
  response.end(
    JSON.stringify(
      pathname === '/graphql' ? await execute(given.query, variables) : { text, method: request.method },
    ),
  )
}

interface Echo {
  readonly text?: string
}

/** JSON, or GraphQL as its clients send it: https://graphql.github.io/graphql-over-http/ */
interface Given extends Echo {
  readonly query?: string
  readonly variables?: string | Echo
}

const schema = buildSchema(`
  type Query { echo(text: String!): String! }
  type Mutation { echo(text: String!): String! }
`)

function execute(source = '', variables: Echo = {}): Promise<unknown> {
  const rootValue = { echo: ({ text }: Echo) => text }
  return graphql({ schema, source, rootValue, variableValues: { ...variables } })
}

function routes(router: ConnectRouter): void {
  const echo = async ({ value }: { value: string }, signal: AbortSignal): Promise<{ value: string }> => {
    if (value === UNAVAILABLE) throw new ConnectError('it is said so', Code.Unavailable)
    if (value === SILENT) {
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(new ConnectError('gone', Code.Canceled)))
      })
    }
    return { value }
  }
  router.service(Orders, {
    get: (request, { signal }) => echo(request, signal),
    post: (request, { signal }) => echo(request, signal),
    async *watch({ value }) {
      for (const letter of value) {
        await Promise.resolve()
        yield { value: letter }
      }
    },
  })
}
