import ky, { HTTPError } from 'ky'
import { codeAmongCauses, type Library } from './library.js'

interface Answer {
  readonly text: string
}

export const kyLibrary: Library = {
  name: 'ky',
  hook({ orders }) {
    const http = ky.create({ fetch: orders.fetch, prefixUrl: 'http://orders', retry: 0, timeout: false })
    return {
      async get(text, signal) {
        const { text: echo } = await http
          .get<Answer>('v1/echo', { searchParams: { text }, ...(signal && { signal }) })
          .json()
        return echo
      },
      async post(text, signal) {
        const { text: echo } = await http
          .post<Answer>('v1/echo', { json: { text }, ...(signal && { signal }) })
          .json()
        return echo
      },
      statusOf: (error) => (error instanceof HTTPError ? error.response.status : undefined),
      codeOf: codeAmongCauses,
      inspect: () => orders.inspect(),
    }
  },
}
