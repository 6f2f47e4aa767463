import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FairleadEvent } from '../observe/events.js'
import type { TransportRequest } from '../transport/transport.js'
import { CallRig, Outcomes, THREE } from './call.test.support.js'

/** What an endpoint does to one of the requests that it has, or what its caller or the time does. */
type Step =
  | { readonly do: 'head'; readonly at: number; readonly status: number; readonly length: number | undefined }
  | { readonly do: 'data' | 'complete' | 'fail' | 'connect'; readonly at: number }
  | { readonly do: 'stall'; readonly at: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'abort' }

const at = fc.nat({ max: 4 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('head' as const),
    at,
    status: fc.constantFrom(200, 404, 429, 500, 502, 503, 504, 103),
    length: fc.constantFrom(undefined, 0, 3),
  }),
  fc.record({
    do: fc.constantFrom('data' as const, 'complete' as const, 'fail' as const, 'connect' as const),
    at,
  }),
  fc.record({ do: fc.constant('stall' as const), at }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1, 10, 40, 300) }),
  fc.constant({ do: 'abort' as const }),
)

/** Of the transport's rules: what comes after what. */
class Exchange {
  readonly request: TransportRequest
  /** It has failed before a byte of it was written: another attempt is free. */
  free = false
  #state: 'sent' | 'connected' | 'answered' | 'over' = 'sent'

  constructor(request: TransportRequest) {
    this.request = request
  }

  connect(): void {
    if (this.#state !== 'sent') return
    this.#state = 'connected'
    this.request.carrier = {}
    this.request.onConnect(() => (this.#state = 'over'))
    if (this.#over) return
    this.request.onRequestSent?.()
  }

  head(status: number, length: number | undefined): void {
    this.connect()
    if (this.#state !== 'connected') return
    if (status >= 200) this.#state = 'answered'
    const headers = status === 429 ? ['retry-after', '1'] : []
    if (length !== undefined) headers.push('content-length', String(length))
    this.request.onHeaders(
      status,
      headers.map((each) => Buffer.from(each)),
      () => undefined,
      '',
    )
  }

  data(): void {
    if (this.#state === 'answered') this.request.onData(Buffer.from('x'))
  }

  complete(): void {
    if (this.#state !== 'answered') return
    this.#state = 'over'
    this.request.onComplete([])
  }

  fail(): void {
    if (this.#over) return
    this.#state = 'over'
    this.free = !this.request.written
    this.request.onError(Object.assign(new Error('reset'), { code: 'ECONNRESET' }))
  }

  get #over(): boolean {
    return this.#state === 'over'
  }
}

const ENDS = ['complete', 'error']

/** A caller that counts. */
class Caller extends Outcomes {
  get ends(): number {
    return this.heard.filter((each) => ENDS.includes(each)).length
  }

  get afterEnd(): number {
    const end = this.heard.findIndex((each) => ENDS.includes(each))
    return end < 0 ? 0 : this.heard.length - 1 - end
  }

  get heads(): number {
    return this.heard.filter((each) => each.startsWith('head') && each !== 'head 103').length
  }
}

test('whatever several attempts do, and in what order: one end, one head, none in flight, a budget that is kept', async () => {
  const calls = fc.array(
    fc.record({
      method: fc.constantFrom('GET' as const, 'POST' as const),
      steps: fc.array(step, { maxLength: 25 }),
    }),
    { minLength: 1, maxLength: 3 },
  )
  await fc.assert(
    fc.asyncProperty(calls, fc.constantFrom(0, 2), async (scripts, holdBytes) => {
      const rig = new CallRig({
        timeoutMs: 200,
        hedge: { afterMs: 30 },
        retry: { attempts: 3, holdBytes, perTryTimeoutMs: 60, budgetRatio: 0, budgetMinPerSecond: 0.2 },
      })
      await rig.list(THREE)
      let free = 0
      for (const { method, steps } of scripts) {
        const caller = new Caller()
        const begun = rig.clock.now()
        const exchanges = new Map<TransportRequest, Exchange>()
        const known = new Set([...rig.transports.values()].flatMap(({ sent }) => sent))
        const own = (): Exchange[] => {
          for (const { sent } of rig.transports.values()) {
            for (const request of sent) {
              if (!known.has(request) && !exchanges.has(request))
                exchanges.set(request, new Exchange(request))
            }
          }
          return [...exchanges.values()]
        }
        rig.send({ method, body: method === 'POST' ? 'x' : null }, caller)
        for (const each of steps) {
          const all = own()
          const exchange = 'at' in each ? all[each.at % Math.max(1, all.length)] : undefined
          if (each.do === 'wait') await rig.clock.advance(each.ms)
          else if (each.do === 'abort') caller.abort?.()
          else if (each.do === 'head') exchange?.head(each.status, each.length)
          else if (each.do === 'stall')
            (exchange?.request as { onStalled?: () => void } | undefined)?.onStalled?.()
          else exchange?.[each.do]()
          await rig.settle()
        }
        // Time ends what has no head, and the endpoints end the rest.
        await rig.clock.advance(200)
        const elapsed = rig.clock.now() - begun
        expect(caller.ends + caller.heads).toBeGreaterThan(0)
        expect(elapsed).toBeLessThan(200 + 25 * 300 + 1)
        for (const exchange of own()) exchange.complete()
        for (const exchange of own()) exchange.fail()
        await rig.settle()
        expect(caller.ends).toBe(1)
        expect(caller.afterEnd).toBe(0)
        expect(caller.heads).toBeLessThanOrEqual(1)
        expect(rig.inflight).toEqual([0, 0, 0])
        // What may not be sent twice has one attempt that was written.
        free += own().filter((exchange) => exchange.free).length
        if (method === 'POST') {
          const written = [...exchanges.keys()].filter((request) => request.written).length
          expect(written).toBeLessThanOrEqual(1)
        }
      }
      const begun = ofType(rig, 'attempt:start')
      // Two are in reserve; what was not written is free.
      expect(begun.length).toBeLessThanOrEqual(scripts.length + 2 + free)
      expect(ofType(rig, 'attempt:end')).toHaveLength(begun.length)
      expect(rig.budget.balance(rig.clock.now())).toBeGreaterThanOrEqual(0)
      await rig.clock.advance(1000)
      expect(rig.clock.pending).toBe(0)
    }),
    { numRuns: 400 },
  )
})

function ofType(rig: CallRig, type: FairleadEvent['type']): readonly FairleadEvent[] {
  return rig.published.filter((event) => event.type === type)
}
