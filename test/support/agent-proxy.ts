import { once } from 'node:events'
import { Agent, createServer, request as sendRequest } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One query that went through to the agent. Times are those of `performance.now()`. */
export interface AgentQuery {
  readonly path: string
  readonly askedAt: number
  /** When the last byte of the answer was handed on; undefined while the agent holds the query. */
  readonly answeredAt: number | undefined
  readonly body: string
}

/** A real agent's address that counts; also an agent that is not there yet, and one that comes later. */
export interface AgentProxy extends AsyncDisposable {
  readonly address: string
  readonly queries: readonly AgentQuery[]
}

/** Stands in front of the agent at `target`, and hands everything on as it is. */
export async function startAgentProxy(target: string, port = 0): Promise<AgentProxy> {
  const queries: { -readonly [K in keyof AgentQuery]: AgentQuery[K] }[] = []
  const agent = new Agent({ keepAlive: true })
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const query = { path, askedAt: performance.now(), answeredAt: undefined as number | undefined, body: '' }
    queries.push(query)
    const { method, headers } = request
    const onward = sendRequest(new URL(path, target), { method, headers, agent }, (answer) => {
      const chunks: Buffer[] = []
      answer.on('data', (chunk: Buffer) => chunks.push(chunk))
      answer.on('error', () => response.destroy())
      answer.on('end', () => {
        const body = Buffer.concat(chunks)
        query.body = body.toString()
        // Head and body at once, so that this is the moment of the last byte as well as of the first.
        query.answeredAt = performance.now()
        response.writeHead(answer.statusCode ?? 502, answer.headers).end(body)
      })
    })
    onward.on('error', () => response.destroy())
    // A query cancelled on this side must not stay open on the other.
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    queries,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      agent.destroy()
      await once(server, 'close')
    },
  }
}
