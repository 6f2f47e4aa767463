import { Buffer } from 'node:buffer'
import { errors } from 'undici'
import { expect, test } from 'vitest'
import { BackendLoad } from '../orca/backend-load.js'
import { ManualClock } from '../testing/index.js'
import type { TransportRequest } from '../transport/transport.js'
import { HeldTransport } from './attempt.test.support.js'
import { LoadProber } from './load-probe.js'

const REPORT = ['endpoint-load-metrics', 'TEXT application_utilization=0.5'].map((text) => Buffer.from(text))

/** Lets what is for a later turn be sent. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)))

function setUp(): { clock: ManualClock; transport: HeldTransport; load: BackendLoad; prober: LoadProber } {
  const clock = new ManualClock()
  const transport = new HeldTransport()
  const load = new BackendLoad()
  return {
    clock,
    transport,
    load,
    prober: new LoadProber({ backendLoad: load, observerFailed: () => undefined }, transport, clock),
  }
}

function answer(probe: TransportRequest | undefined, headers: Buffer[]): void {
  probe?.onConnect(() => undefined)
  probe?.onHeaders(103, REPORT, () => undefined, '')
  probe?.onHeaders(200, headers, () => undefined, '')
  expect(probe?.onData(Buffer.from('body'))).toBe(true)
  probe?.onComplete([])
}

test('one without a report is the last for 30 s, and one with a report is not', async () => {
  const { clock, transport, load, prober } = setUp()
  prober.ask('/load')
  prober.ask('/load')
  await turn()
  expect(transport.sent.map(({ options }) => options)).toEqual([{ method: 'GET', path: '/load' }])
  answer(transport.sent[0], REPORT)
  expect(load.reportedAt).toBe(Math.floor(clock.now()))
  prober.ask('/load')
  await turn()
  answer(transport.sent[1], [])
  await clock.advance(29_999)
  prober.ask('/load')
  await turn()
  expect(transport.sent).toHaveLength(2)
  await clock.advance(1)
  prober.ask('/load')
  await turn()
  expect(transport.sent).toHaveLength(3)
})

test('one that has ended leaves no timer, and gives its connection back once', async () => {
  const { clock, transport, prober } = setUp()
  prober.ask('/load')
  await turn()
  const [probe] = transport.sent
  expect([clock.pending, probe?.written]).toEqual([1, false])
  answer(probe, REPORT)
  probe?.onError(new Error('late'))
  prober.end()
  expect([clock.pending, probe?.written, transport.released]).toEqual([0, true, ['complete']])
})

test('one that is cancelled is aborted, if only as soon as it is connected, and its answer is not heard', async () => {
  for (const connected of [true, false]) {
    const { transport, load, prober } = setUp()
    prober.ask('/load')
    await turn()
    const [probe] = transport.sent
    const aborted: unknown[] = []
    const connect = (): void => probe?.onConnect((reason) => aborted.push(reason))
    if (connected) connect()
    prober.end()
    if (!connected) connect()
    expect(aborted).toEqual([expect.any(errors.RequestAbortedError)])
    probe?.onHeaders(200, REPORT, () => undefined, '')
    probe?.onError(new errors.RequestAbortedError())
    expect([load.reportedAt, transport.released]).toEqual([-1, ['cancelled']])
  }
})

test('one that is cancelled before its turn is not sent', async () => {
  const { clock, transport, prober } = setUp()
  prober.ask('/load')
  prober.end()
  await turn()
  expect([transport.sent, clock.pending]).toEqual([[], 0])
})
