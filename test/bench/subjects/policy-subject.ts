import { createClient, fixedResolver } from '@fairlead/sdk'
import type { Dispatcher } from 'undici'
import type { Sample } from '../results.js'
import { proveScale } from './heap-growth.js'
import type { Loop } from './pick-loops.js'
import { policyVariants } from './policy-variants.js'
import { argument, serve } from './serve.js'
import { Stopwatch } from './stopwatch.js'
import { unwire } from './unwired.js'

/** Which of the variants. */
export interface PolicyArgument {
  readonly variant: string
}

export interface PolicyOrder {
  readonly milliseconds: number
}

/** Requests of one client, one after another. */
class RequestLoop implements Loop {
  readonly #dispatcher: Dispatcher
  #answered = 0

  constructor(dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher
  }

  run(requests: number): void {
    const before = this.#answered
    for (let n = 0; n < requests; n++) {
      const handler = {
        onConnect: () => undefined,
        onHeaders: () => true,
        onData: () => true,
        onComplete: () => {
          this.#answered++
        },
        onError: (error: Error) => {
          throw error
        },
      }
      this.#dispatcher.dispatch({ method: 'GET', path: '/v1/orders/42' }, handler)
    }
    if (this.#answered - before !== requests)
      throw new Error(`${this.#answered - before} of ${requests} answered`)
  }
}

const { variant } = argument() as PolicyArgument
const options = policyVariants[variant]
if (options === undefined) throw new Error(`there is no variant ${variant}`)
unwire()
const origins = [1, 2, 3, 4].map((host) => `http://10.0.0.${host}:80`)
const client = createClient('bench', { resolver: fixedResolver(origins), ...options })
await client.ready()
const stopwatch = new Stopwatch(new RequestLoop(client.dispatcher))
await proveScale()

serve(async (order): Promise<Sample> => {
  const rate = stopwatch.time((order as PolicyOrder).milliseconds)
  return { rate, cost: await stopwatch.bytes(rate) }
})
