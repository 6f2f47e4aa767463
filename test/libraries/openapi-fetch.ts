import createOpenApiClient from 'openapi-fetch'
import { codeAmongCauses, type Library } from './library.js'

// As openapi-typescript writes it.
interface Paths {
  '/v1/echo': {
    get: {
      parameters: { query: { text: string } }
      responses: { 200: { content: { 'application/json': { text: string } } } }
    }
    post: {
      requestBody: { content: { 'application/json': { text: string } } }
      responses: { 200: { content: { 'application/json': { text: string } } } }
    }
  }
}

/** It throws for no status; this program does. */
class Refused extends Error {
  readonly status: number

  constructor(status: number) {
    super(`it was answered with ${status}`)
    this.status = status
  }
}

export const openapiFetchLibrary: Library = {
  name: 'openapi-fetch',
  hook({ orders }) {
    const http = createOpenApiClient<Paths>({ baseUrl: 'http://orders', fetch: orders.fetch })
    const textOf = ({ data, response }: { data?: { text: string }; response: Response }): string => {
      if (data === undefined) throw new Refused(response.status)
      return data.text
    }
    return {
      async get(text, signal) {
        return textOf(await http.GET('/v1/echo', { params: { query: { text } }, ...(signal && { signal }) }))
      },
      async post(text, signal) {
        return textOf(await http.POST('/v1/echo', { body: { text }, ...(signal && { signal }) }))
      },
      statusOf: (error) => (error instanceof Refused ? error.status : undefined),
      codeOf: codeAmongCauses,
      inspect: () => orders.inspect(),
    }
  },
}
