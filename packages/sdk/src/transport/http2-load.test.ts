import fc from 'fast-check'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { until } from '../test-support/until.test.support.js'
import { connectHttp2, exchange, Exchanged, Http2Upstream } from './http2.test.support.js'

const TEXT = 'x'.repeat(40_000)

/** What becomes of a stream at the server. */
const answers = {
  answer: (stream) => {
    stream.respond({ ':status': 200 })
    stream.end(TEXT)
  },
  'answer early': (stream) => {
    stream.respond({ ':status': 413 })
    stream.end('no', () => stream.close(constants.NGHTTP2_NO_ERROR))
  },
  refuse: (stream) => stream.close(constants.NGHTTP2_REFUSED_STREAM),
  break: (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  cut: (stream) => {
    stream.respond({ ':status': 200 })
    stream.write(TEXT, () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
  },
  'let go': (stream) => {
    stream.respond({ ':status': 200 })
    stream.end(TEXT)
    stream.session?.close()
  },
  goaway: (stream) => stream.session?.goaway(constants.NGHTTP2_NO_ERROR, Math.max(0, (stream.id ?? 1) - 2)),
  hang: () => undefined,
} satisfies Record<string, (stream: ServerHttp2Stream) => void>

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('send'),
      body: fc.constantFrom('none', 'text', 'stream'),
      pausing: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('cancel'), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset connection'), which: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('turn') }) },
)

test('in-flight is conserved: each request ends once, whatever is done to it, and no place on a connection is lost', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.array(fc.constantFrom(...(Object.keys(answers) as (keyof typeof answers)[])), {
        minLength: 1,
        maxLength: 25,
      }),
      fc.constantFrom(1, 2, 100),
      async (steps, fates, maxConcurrentStreams) => {
        const upstream = new Http2Upstream({ settings: { maxConcurrentStreams } })
        const origin = await upstream.listen()
        const transport = connectHttp2(origin, { max: 2 })
        let next = 0
        upstream.onStream = (stream) => {
          stream.resume()
          answers[fates[next++ % fates.length] ?? 'answer'](stream)
        }
        const sent: Exchanged[] = []
        const cancelled = new Set<Exchanged>()
        const cancel = (one: Exchanged | undefined): void => {
          if (one === undefined || one.over) return
          cancelled.add(one)
          one.attempt.cancel(new Error('enough'), 'ignored')
        }
        try {
          for (const { kind, ...how } of steps) {
            const { body, pausing, which = 0 } = how as { body?: string; pausing?: boolean; which?: number }
            if (kind === 'send') {
              const one = new Exchanged()
              one.pausing = pausing === true
              sent.push(one)
              const given =
                body === 'text' ? 'hello' : body === 'stream' ? Readable.from(['he', 'llo']) : null
              exchange(transport, given === null ? {} : { method: 'POST', body: given }, one)
            } else if (kind === 'cancel') cancel(sent[which % Math.max(1, sent.length)])
            else if (kind === 'reset connection') upstream.sockets[which]?.resetAndDestroy()
            else await new Promise(setImmediate)
          }
          // What hangs, and what has to wait behind that, is cancelled in the end.
          upstream.onStream = (stream) => answers.answer(stream)
          const quiet = performance.now() + 20
          await until(() => sent.every((one) => one.over || cancelled.has(one)) || performance.now() > quiet)
          for (const one of sent) {
            one.pausing = false
            one.resume()
            cancel(one)
          }
          for (const one of sent) {
            expect(one.endpoint.inflight).toBe(0)
            expect(one.endpoint.outcomes.length).toBe(1)
            // Nothing came behind the end: `Exchanged` throws then.
            expect(one.over || cancelled.has(one)).toBe(true)
          }
          const fill = async (): Promise<Exchanged[]> => {
            const all = Array.from({ length: 2 * Math.min(maxConcurrentStreams, 4) }, () =>
              exchange(transport),
            )
            await until(() => all.every(({ over }) => over))
            return all
          }
          // Of a connection that was reset our side may not have read it yet: the next requests on it do.
          await fill()
          // All places are free: so many new ones fit.
          const last = await fill()
          expect(last.map(({ state }) => state)).toEqual(last.map(() => 'complete'))
        } finally {
          await transport.destroy(new Error('over'))
          upstream.close()
        }
      },
    ),
    { numRuns: 60 },
  )
})
