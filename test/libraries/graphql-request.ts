import { ClientError, GraphQLClient, type RequestOptions } from 'graphql-request'
import { codeAmongCauses, type Library } from './library.js'

interface Answer {
  readonly echo: string
}

export const graphqlRequestLibrary: Library = {
  name: 'graphql-request',
  hook({ orders }) {
    const http = new GraphQLClient('http://orders/graphql', { fetch: orders.fetch, method: 'GET' })
    const ask = async (operation: string, text: string, signal: AbortSignal | undefined): Promise<string> => {
      const document = `${operation} Echo($text: String!) { echo(text: $text) }`
      const options: RequestOptions = { document, variables: { text }, ...(signal && { signal }) }
      const { echo } = await http.request<Answer>(options)
      return echo
    }
    return {
      get: (text, signal) => ask('query', text, signal),
      post: (text, signal) => ask('mutation', text, signal),
      statusOf: (error) => (error instanceof ClientError ? error.response.status : undefined),
      codeOf: codeAmongCauses,
      inspect: () => orders.inspect(),
    }
  },
}
