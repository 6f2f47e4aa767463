import type { Sample } from '../results.js'
import { calls, type Call, type CallName } from './client-calls.js'
import { argument, serve } from './serve.js'

export interface ClientArgument {
  readonly call: CallName
  readonly origins: readonly string[]
  readonly body: string
  /** Requests in flight at any time. */
  readonly concurrency: number
}

export interface ClientOrder {
  readonly milliseconds: number
}

const { call: name, origins, body, concurrency } = argument() as ClientArgument
const call: Call = await calls[name](origins)

/** Calls again and again until `until`; returns how many times. */
async function loop(until: number): Promise<number> {
  let requests = 0
  while (performance.now() < until) {
    const text = await call()
    if (text !== body) throw new Error(`the body is ${JSON.stringify(text.slice(0, 60))}`)
    requests++
  }
  return requests
}

serve(async (order): Promise<Sample> => {
  const { milliseconds } = order as ClientOrder
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const loops = Array.from({ length: concurrency }, () => loop(startedAt + milliseconds))
  const requests = (await Promise.all(loops)).reduce((sum, count) => sum + count, 0)
  if (requests === 0) throw new Error('no request was answered')
  const elapsedMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    rate: requests / (elapsedMs / 1000),
    cost: (user + system) / requests,
    busy: (user + system) / (elapsedMs * 1000),
  }
})
