import got, { HTTPError } from 'got'
import { Rig } from '#sidecar/testing/rig.test.support.js'
import type { Library } from './library.js'

interface Answer {
  readonly text: string
}

export const gotLibrary: Library = {
  name: 'got',
  // It ends its connection, which a sidecar cannot tell from a half-close until it writes.
  keepsAborts: true,
  async hook({ instances, timeoutMs }) {
    const rig = await Rig.start(instances, { timeoutMs })
    const sidecar = rig.sidecar.address
    const http = got.extend({
      prefixUrl: sidecar,
      headers: { 'fairlead-service': 'orders' },
      retry: { limit: 0 },
    })
    return {
      async get(text, signal) {
        const { text: echo } = await http
          .get('v1/echo', { searchParams: { text }, ...(signal && { signal }) })
          .json<Answer>()
        return echo
      },
      async post(text, signal) {
        const { text: echo } = await http
          .post('v1/echo', { json: { text }, ...(signal && { signal }) })
          .json<Answer>()
        return echo
      },
      statusOf: (error) => (error instanceof HTTPError ? error.response.statusCode : undefined),
      codeOf: (error) =>
        error instanceof HTTPError ? error.response.headers['x-fairlead-error'] : undefined,
      inspect: () => rig.inspect(),
    }
  },
}
