import { setTimeout as delay } from 'node:timers/promises'
import { createClient, fixedResolver } from '@fairlead/sdk'
import { BODY } from '../answer.js'
import { argument, serve } from '../../bench/subjects/serve.js'
import { complete } from './sender.js'

export interface SoakArgument {
  readonly origins: readonly string[]
}

/** So many more requests. */
export interface SoakOrder {
  readonly requests: number
}

/** What is kept, in bytes, after full collections; and how the requests ended. */
export interface SoakReport {
  readonly heapBytes: number
  readonly outsideBytes: number
  readonly residentBytes: number
  readonly failed: number
}

/** What keeps the process alive once its client is closed, beside the channel to its parent. */
export interface SoakEnd {
  readonly resources: readonly string[]
}

const AT_ONCE = 32

const client = createClient('soak', {
  resolver: fixedResolver((argument() as SoakArgument).origins),
  timeoutMs: 3000,
  hedge: {},
  retry: { holdBytes: 1024, perTryTimeoutMs: 1000 },
  admission: { adaptive: true },
  logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
})

async function run({ requests }: SoakOrder): Promise<SoakReport> {
  let left = requests
  let failed = 0
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const post = left % 10 === 0
      const request = client.request({
        path: '/v1/orders/42',
        method: post ? 'POST' : 'GET',
        ...(post ? { body: '{}' } : {}),
      })
      const head = request.then(({ statusCode, body }) => ({
        status: statusCode,
        error: undefined,
        text: () => body.text(),
      }))
      if ((await complete(head, BODY)).ending !== 'ok') failed++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, one))
  return { ...(await kept()), failed }
}

/** What is still in use: twice, as what the first collection finalizes goes with the second. */
async function kept(): Promise<Omit<SoakReport, 'failed'>> {
  for (let n = 0; n < 2; n++) {
    global.gc?.()
    await delay(100)
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { heapBytes: heapUsed, outsideBytes: external, residentBytes: rss }
}

async function end(): Promise<SoakEnd> {
  await client.close({ timeoutMs: 5000 })
  // Sockets that are destroyed are gone a turn later.
  await delay(500)
  return { resources: process.getActiveResourcesInfo() }
}

serve((order) => (order === 'end' ? end() : run(order as SoakOrder)))
