import fc from 'fast-check'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { errors } from 'undici'
import { BackendLoad } from '../balance/backend-load.js'
import type { Handler } from '../handler.js'
import type { Outcome, Permit } from '../resilience/breaker.js'
import { ManualClock } from '../testing/index.js'
import type { Ending } from './connections.js'
import { PeakEwma } from './ewma.js'
import { Exchange, type ExchangeSide } from './exchange.js'

class Side extends PeakEwma implements ExchangeSide {
  backendLoad: BackendLoad | undefined
  readonly unreached: Error[] = []
  readonly verdicts: [Permit, Outcome][] = []
  readonly released: Ending[] = []
  readonly resent: Exchange[] = []
  inflight = 0

  constructor() {
    super(30, 0)
  }

  begin(): void {
    this.inflight++
  }

  end(): void {
    this.inflight--
  }

  resend(exchange: Exchange): boolean {
    this.resent.push(exchange)
    return true
  }

  release(_exchange: Exchange, ending: Ending): void {
    this.released.push(ending)
  }

  unreachable(error: Error): void {
    this.unreached.push(error)
  }

  judge(permit: Permit, outcome: Outcome): void {
    this.verdicts.push([permit, outcome])
  }
}

class Recorder implements Handler {
  readonly heard: string[] = []

  onConnect(): void {
    this.heard.push('connect')
  }

  onHeaders(statusCode: number): boolean {
    this.heard.push(`head ${statusCode}`)
    return true
  }

  onData(): boolean {
    this.heard.push('data')
    return true
  }

  onComplete(): void {
    this.heard.push('complete')
  }

  onUpgrade(): void {
    this.heard.push('upgrade')
  }

  onError(error: Error): void {
    this.heard.push(`error ${error.message}`)
  }
}

function start(body?: unknown): {
  side: Side
  next: Recorder
  clock: ManualClock
  exchange: Exchange
} {
  const side = new Side()
  const next = new Recorder()
  const clock = new ManualClock()
  return {
    side,
    next,
    clock,
    exchange: new Exchange(
      side,
      next,
      7,
      { method: 'GET', path: '/', body: body as never },
      clock,
      clock.now(),
    ),
  }
}

const head = (exchange: Exchange, status: number): boolean =>
  exchange.onHeaders(status, [], () => undefined, '')

test('in flight is conserved and the verdict is one, in any order of events', () => {
  const event = fc.constantFrom(
    'connect',
    'head 100',
    'head 200',
    'head 503',
    'data',
    'complete',
    'error',
    'abandon',
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), (script) => {
      const { side, exchange } = start()
      for (const step of script) {
        expect(side.inflight).toBeGreaterThanOrEqual(0)
        if (step === 'connect') exchange.onConnect(() => undefined)
        if (step.startsWith('head')) head(exchange, Number(step.slice(5)))
        if (step === 'data') exchange.onData(Buffer.from('x'))
        if (step === 'complete') exchange.onComplete([])
        if (step === 'error') exchange.onError(new Error('reset'))
        if (step === 'abandon') exchange.abandon(new Error('gone'), 'ignored')
      }
      const over = script.some((step) => ['complete', 'error', 'abandon'].includes(step))
      expect(side.inflight).toBe(over ? 0 : 1)
      expect(side.released.length).toBe(over ? 1 : 0)
      expect(side.verdicts.length).toBeLessThanOrEqual(1)
    }),
  )
})

test('latency runs from the write to the first byte', async () => {
  const { side, clock, exchange } = start()
  await clock.advance(50)
  exchange.onConnect(() => undefined)
  await clock.advance(8)
  head(exchange, 200)
  await clock.advance(100)
  exchange.onComplete([])
  expect(side.estimateUs(58) / 1000).toBe(8)
})

test.each<[Ending, (exchange: Exchange) => void]>([
  ['complete', (exchange) => exchange.onComplete([])],
  ['broken', (exchange) => exchange.onError(new Error('reset'))],
  ['abandoned', (exchange) => exchange.abandon(new Error('gone'), 'ignored')],
])('leaves its connection %s', (ending, happen) => {
  const { side, exchange } = start()
  exchange.onConnect(() => undefined)
  happen(exchange)
  expect(side.released).toEqual([ending])
})

describe('the verdict', () => {
  test.each<[string, (exchange: Exchange) => void, Outcome]>([
    ['2xx', (exchange) => head(exchange, 200), 'success'],
    ['4xx', (exchange) => head(exchange, 404), 'success'],
    ['5xx', (exchange) => head(exchange, 500), 'failure'],
    ['a broken connection', (exchange) => exchange.onError(new Error('reset')), 'failure'],
    ['the caller went away', (exchange) => exchange.abandon(new Error('bye'), 'ignored'), 'ignored'],
    ['refused by undici', (exchange) => exchange.onError(new errors.InvalidArgumentError('path')), 'ignored'],
    ['our pool is closed', (exchange) => exchange.onError(new errors.ClientDestroyedError()), 'ignored'],
  ])('%s: %o', (_, happen, outcome) => {
    const { side, exchange } = start()
    exchange.onConnect(() => undefined)
    happen(exchange)
    expect(side.verdicts).toEqual([[7, outcome]])
  })

  test("an error of the caller's own body is not the endpoint's", () => {
    const body = new PassThrough()
    body.on('error', () => undefined)
    const { side, exchange } = start(body)
    const error = new Error('the upload broke off')
    body.destroy(error)
    exchange.onError(error)
    expect(side.verdicts).toEqual([[7, 'ignored']])
  })

  test('waits for the final head', () => {
    const { side, exchange } = start()
    head(exchange, 103)
    expect(side.verdicts).toEqual([])
    head(exchange, 200)
    expect(side.verdicts).toEqual([[7, 'success']])
  })

  test('a body cut off costs latency, after a good head', () => {
    const { side, exchange, next } = start()
    exchange.onConnect(() => undefined)
    head(exchange, 200)
    exchange.onError(new Error('reset'))
    expect(side.estimateUs(0) / 1000).toBeGreaterThan(0.1)
    expect(next.heard).toEqual(['head 200', 'error reset'])
  })
})

describe("the backend's report", () => {
  const raw = (...texts: string[]): Buffer[] => texts.map((text) => Buffer.from(text))
  const answer = (exchange: Exchange, status: number, headers: Buffer[]): boolean =>
    exchange.onHeaders(status, headers, () => undefined, '')
  const report = 'TEXT cpu_utilization=0.5,rps_fractional=8'

  test.each(['endpoint-load-metrics', 'Endpoint-Load-Metrics', 'ENDPOINT-LOAD-METRICS'])(
    'is read where somebody wants it: %s',
    async (name) => {
      const { side, clock, exchange } = start()
      side.backendLoad = new BackendLoad()
      await clock.advance(7.5)
      const headers = raw(
        'date',
        'today',
        'x-ndpoint-load-metrics',
        'TEXT eps=1',
        name,
        report,
        name,
        'TEXT eps=2',
      )
      answer(exchange, 200, headers)
      expect(side.backendLoad).toMatchObject({ utilization: 0.5, qps: 8, eps: 0, reportedAt: 7 })
    },
  )

  test('of an error counts as any other; of an interim response it is none', () => {
    const { side, exchange } = start()
    side.backendLoad = new BackendLoad()
    answer(exchange, 103, raw('endpoint-load-metrics', report))
    expect(side.backendLoad.reportedAt).toBe(-1)
    answer(exchange, 503, raw('endpoint-load-metrics', report))
    expect(side.backendLoad.qps).toBe(8)
  })

  test('stays away with a request that was given up', () => {
    const { side, exchange } = start()
    side.backendLoad = new BackendLoad()
    exchange.abandon(new Error('too late'), 'failure')
    answer(exchange, 200, raw('endpoint-load-metrics', report))
    expect(side.backendLoad.reportedAt).toBe(-1)
  })

  test('is handed on with all other headers', () => {
    const { side, next, exchange } = start()
    side.backendLoad = new BackendLoad()
    const headers = raw('endpoint-load-metrics', 'nonsense', 'odd')
    const handed: Buffer[][] = []
    next.onHeaders = (_: number, given?: Buffer[]) => handed.push(given ?? []) > 0
    answer(exchange, 200, headers)
    expect(handed).toEqual([raw('endpoint-load-metrics', 'nonsense', 'odd')])
    expect(side.backendLoad.reportedAt).toBe(-1)
  })
})

describe('the endpoint is unreachable', () => {
  test('where no connection could be made', () => {
    const { side, exchange } = start()
    const refused = new Error('connect ECONNREFUSED')
    exchange.onError(refused)
    expect(side.unreached).toEqual([refused])
  })

  test.each<[string, (exchange: Exchange) => void]>([
    [
      'a connection broke',
      (exchange) => {
        exchange.onConnect(() => undefined)
        exchange.onError(new Error('reset'))
      },
    ],
    ['undici refused the request', (exchange) => exchange.onError(new errors.InvalidArgumentError('path'))],
    ['our pool is closed', (exchange) => exchange.onError(new errors.ClientDestroyedError())],
    ['it was given up', (exchange) => exchange.abandon(new Error('too late'), 'failure')],
    [
      'it was given up, and then refused',
      (exchange) => {
        exchange.abandon(new Error('too late'), 'failure')
        exchange.onError(new Error('connect ECONNREFUSED'))
      },
    ],
  ])('not where %s', (_, happen) => {
    const { side, exchange } = start()
    happen(exchange)
    expect(side.unreached).toEqual([])
  })
})

test('given up before it is connected, it is aborted as soon as it is', () => {
  const { exchange, next } = start()
  const reason = new Error('too late')
  exchange.abandon(reason, 'failure')
  let aborted: Error | undefined
  exchange.onConnect((why) => (aborted = why))
  expect(aborted).toBe(reason)
  expect(exchange.written).toBe(false)
  exchange.onError(reason)
  expect(next.heard).toEqual([])
})

test('an upgraded connection stays in flight until it closes', async () => {
  const { side, exchange } = start()
  const socket = new PassThrough()
  exchange.onUpgrade(101, [], socket)
  expect(side.inflight).toBe(1)
  socket.destroy()
  await new Promise((resolve) => socket.once('close', resolve))
  expect(side.inflight).toBe(0)
})
