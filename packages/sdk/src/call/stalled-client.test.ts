import { expect, test } from 'vitest'
import { instanceAt } from '../testing/index.js'
import type { TransportRequest } from '../transport/transport.js'
import { answer, CallRig } from './call.test.support.js'

const EIGHT = Array.from({ length: 8 }, (_, place) => instanceAt(`http://10.0.0.1:${place + 1}`))
const TIMEOUT_MS = 1500
const STALL_MS = 2000

/** Eight endpoints, with circuits and outlier detection; those that answer take 40 ms. */
class Fleet extends CallRig {
  readonly #answered = new Set<TransportRequest>()

  constructor() {
    super({ balancer: 'round_robin', timeoutMs: TIMEOUT_MS, retry: false }, { judged: true })
  }

  /** What each endpoint has been sent and not answered yet. */
  get open(): readonly (readonly [port: number, request: TransportRequest])[] {
    return EIGHT.flatMap(({ origin }, place) => {
      const sent = this.transports.get(origin)?.sent ?? []
      return sent.flatMap((request) => (this.#answered.has(request) ? [] : [[place + 1, request] as const]))
    })
  }

  connect(request: TransportRequest): void {
    request.carrier = {}
    request.onConnect(() => this.#answered.add(request))
  }

  answer(request: TransportRequest): void {
    this.#answered.add(request)
    answer(request)
  }

  /** As a poll finds it: what has been written is answered, but for the endpoint that never answers. */
  poll(silent?: number): void {
    for (const [port, request] of this.open) if (request.written && port !== silent) this.answer(request)
  }

  get reasons(): readonly (string | undefined)[] {
    return EIGHT.map((instance) => this.endpoint(instance).availability.reason)
  }
}

/** Under load: of 80 requests a round half are on a connection, a quarter gets one meanwhile, a quarter waits for one. */
async function stallAgainAndAgain(rig: Fleet, silent?: number): Promise<void> {
  for (let round = 0; round < 20; round++) {
    for (let n = 0; n < 80; n++) rig.send()
    rig.open.forEach(([, request], place) => {
      // Each endpoint has some of each kind.
      if (!request.written && place % 4 < 2) rig.connect(request)
    })
    rig.clock.holdUp(STALL_MS)
    // The poll behind it: answers, and connections that were there in the first millisecond.
    rig.poll(silent)
    rig.open.forEach(([, request], place) => {
      if (!request.written && place % 2 === 0) rig.connect(request)
    })
    await rig.clock.advance(0)
    for (const [, request] of rig.open) if (!request.written) rig.connect(request)
    await rig.clock.advance(40)
    rig.poll(silent)
    await rig.clock.advance(round % 3 === 0 ? 3000 : 5)
  }
}

test('by stalls of our own no circuit opens, nothing is ejected, and no endpoint has failed', async () => {
  const rig = new Fleet()
  await rig.list(EIGHT)
  await stallAgainAndAgain(rig)
  expect(rig.reasons).toEqual(EIGHT.map(() => undefined))
  for (const instance of EIGHT) {
    expect(rig.endpoint(instance)).toMatchObject({ failures: 0, inflight: 0 })
    expect(rig.endpoint(instance).requests).toBe(200)
    expect(rig.endpoint(instance).estimateUs(rig.clock.now()) / 1000).toBeLessThan(200)
  }
})

test('an endpoint that is silent for all of its time is found all the same', async () => {
  const rig = new Fleet()
  await rig.list(EIGHT)
  await stallAgainAndAgain(rig, 3)
  expect(rig.reasons.flatMap((reason, place) => (reason === undefined ? [] : [place + 1]))).toEqual([3])
})
