import axios, { isAxiosError } from 'axios'
import { codeAmongCauses, type Library } from './library.js'

interface Answer {
  readonly text: string
}

export const axiosLibrary: Library = {
  name: 'axios',
  hook({ orders }) {
    const http = axios.create({ adapter: 'fetch', baseURL: 'http://orders', env: { fetch: orders.fetch } })
    return {
      async get(text, signal) {
        const { data } = await http.get<Answer>('/v1/echo', { params: { text }, ...(signal && { signal }) })
        return data.text
      },
      async post(text, signal) {
        const { data } = await http.post<Answer>('/v1/echo', { text }, signal && { signal })
        return data.text
      },
      statusOf: (error) => (isAxiosError(error) ? error.response?.status : undefined),
      codeOf: codeAmongCauses,
      inspect: () => orders.inspect(),
    }
  },
}
