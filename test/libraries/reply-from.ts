import replyFrom from '@fastify/reply-from'
import fastify from 'fastify'
import { onTestFinished } from 'vitest'
import type { Library } from './library.js'

/** What came of a request by way of the gateway. */
class Refused extends Error {
  readonly status: number
  readonly code: unknown

  constructor(status: number, code: unknown) {
    super(`the gateway answered with ${status}`)
    this.status = status
    this.code = code
  }
}

export const replyFromLibrary: Library = {
  name: 'reply-from',
  keepsAborts: true,
  async hook({ orders }) {
    const app = fastify()
    onTestFinished(() => app.close())
    await app.register(replyFrom, {
      base: 'http://orders',
      undici: orders.dispatcher,
      destroyAgent: false,
    })
    app.all('/*', (request, reply) =>
      reply.from(request.url, {
        retryDelay: () => null,
        onError: (reply, { error }) => void reply.code(502).send(error.cause),
      }),
    )
    const gateway = await app.listen({ port: 0, host: '127.0.0.1' })
    const echo = async (path: string, init: RequestInit): Promise<string> => {
      const response = await fetch(gateway + path, init)
      const { text, code } = (await response.json()) as { text?: string; code?: string }
      if (!response.ok || text === undefined) throw new Refused(response.status, code)
      return text
    }
    return {
      get: (text, signal) => echo(`/v1/echo?text=${encodeURIComponent(text)}`, { signal: signal ?? null }),
      post: (text, signal) =>
        echo('/v1/echo', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ text }),
          signal: signal ?? null,
        }),
      statusOf: (error) => (error instanceof Refused ? error.status : undefined),
      codeOf: (error) => (error instanceof Refused ? error.code : undefined),
      inspect: () => orders.inspect(),
    }
  },
}
