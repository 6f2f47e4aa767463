import type { RequestListener } from 'node:http'
import { createClient, fixedResolver, type BalancerName, type Client } from '@fairlead/sdk'
import { build } from 'hdr-histogram-js'
import { expect, test } from 'vitest'
import { startHttpServer, type HttpServer } from '#test-support/http-server.js'

// Long enough for what a busy machine adds to be little, and few at a time. Still a machine that stands still for 120 ms
// makes every fast server look as slow as the slow one, for as long as a peak is remembered.
const FAST_MS = 20
const SLOW_MS = 200
const CONCURRENCY = 3

// What is asserted holds of the medians of so many rounds in a row ...
const ROUNDS = 5
const REQUESTS = 200
// A quarter of these are for the slow one, which takes its time.
const BLIND_REQUESTS = 50
// ... and these are as many as it may take until the machine has let them be.
const MOST_ROUNDS = 40
// A client is sure of a server after ten samples, which it takes of the slow one one after another.
const WARM_UP = 400

function answerAfter(delayMs: number): RequestListener {
  return (request, response) => {
    request.resume()
    setTimeout(() => response.end('ok'), delayMs)
  }
}

/** The 99th percentile of so many requests, in milliseconds; a closed loop. */
async function p99Of(client: Client, requests: number): Promise<number> {
  const latencies = build({ numberOfSignificantValueDigits: 3 })
  let sent = 0
  const caller = async (): Promise<void> => {
    while (sent++ < requests) {
      const startedAt = performance.now()
      const { statusCode, body } = await client.request({ path: '/' })
      await body.dump()
      expect(statusCode).toBe(200)
      latencies.recordValue(Math.round((performance.now() - startedAt) * 1000))
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, caller))
  return latencies.getValueAtPercentile(99) / 1000
}

function clientOf(balancer: BalancerName, servers: readonly HttpServer[]): Client {
  return createClient('orders', { balancer, resolver: fixedResolver(servers.map(({ origin }) => origin)) })
}

/** The 99th percentiles, in milliseconds. */
interface Round {
  /** `peak_ewma` among fast ones only. */
  readonly unhindered: number
  /** `peak_ewma` with the slow one. */
  readonly hindered: number
  /** `round_robin` with the slow one. */
  readonly even: number
  /** How many requests each server had of `peak_ewma`, the slow one last. */
  readonly asked: readonly number[]
}

function isHidden(rounds: readonly Round[]): boolean {
  const median = (of: 'unhindered' | 'hindered' | 'even'): number =>
    rounds.map((round) => round[of]).sort((a, b) => a - b)[rounds.length >> 1] ?? NaN
  return (
    rounds.length === ROUNDS &&
    median('hindered') < 1.3 * median('unhindered') &&
    median('even') > 3 * median('unhindered')
  )
}

test('peak_ewma hides a server that is ten times slower; round_robin does not', async () => {
  await using a = await startHttpServer(answerAfter(FAST_MS))
  await using b = await startHttpServer(answerAfter(FAST_MS))
  await using c = await startHttpServer(answerAfter(FAST_MS))
  await using d = await startHttpServer(answerAfter(FAST_MS))
  await using slow = await startHttpServer(answerAfter(SLOW_MS))
  {
    // Cold code would stand as a peak for ten seconds.
    await using rehearsal = clientOf('round_robin', [a, b, c, d])
    await p99Of(rehearsal, REQUESTS)
  }
  await using allFast = clientOf('peak_ewma', [a, b, c, d])
  await using aware = clientOf('peak_ewma', [a, b, c, slow])
  await using blind = clientOf('round_robin', [a, b, c, slow])
  await Promise.all([p99Of(allFast, WARM_UP), p99Of(aware, WARM_UP)])
  const asked = (): readonly number[] => aware.inspect().endpoints.map(({ requests }) => requests)
  const rounds: Round[] = []
  let before = asked()
  do {
    // All at once, so that what else the machine does meets all of them alike.
    const [unhindered, hindered, even] = await Promise.all([
      p99Of(allFast, REQUESTS),
      p99Of(aware, REQUESTS),
      p99Of(blind, BLIND_REQUESTS),
    ])
    const askedSoFar = asked()
    rounds.push({
      unhindered,
      hindered,
      even,
      asked: askedSoFar.map((count, server) => count - (before[server] ?? 0)),
    })
    before = askedSoFar
  } while (!isHidden(rounds.slice(-ROUNDS)) && rounds.length < MOST_ROUNDS)
  expect(isHidden(rounds.slice(-ROUNDS)), JSON.stringify(rounds)).toBe(true)
  // The slow one is there, and the aware client knows it.
  expect(before.at(-1)).toBeGreaterThanOrEqual(1)
  const lately = [0, 1, 2, 3].map((server) =>
    rounds.slice(-ROUNDS).reduce((sum, round) => sum + (round.asked[server] ?? 0), 0),
  )
  expect(lately.at(-1)).toBeLessThan(Math.min(...lately.slice(0, 3)) / 10)
  // Whatever the machine did in between.
  expect(before.at(-1)).toBeLessThan(Math.min(...before.slice(0, 3)) / 2)
}, 240_000)
