import { once } from 'node:events'
import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BackendLoad } from '../orca/backend-load.js'
import type { Clock } from '../clock.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { tcpConnector } from '../transport/connector.js'
import { http1 } from '../transport/http1.js'
import { Classifier } from './classify.js'
import { Endpoint } from './endpoint.js'
import { LoopWatch } from '../runtime/loop-watch.js'

const REPORT = 'TEXT cpu_utilization=0.25,rps_fractional=12,named_metrics.inflight=3'
const PATH = '/.well-known/endpoint-load'

/** A server whose answers are the test's. */
class Backend {
  readonly asked: string[] = []
  readonly sockets: Socket[] = []
  answer: RequestListener = (_, response) => reported(response)
  readonly #server: Server = createServer((request, response) => {
    this.asked.push(`${String(request.method)} ${String(request.url)}`)
    this.answer(request, response)
  })

  constructor() {
    this.#server.on('connection', (socket) => this.sockets.push(socket))
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get open(): number {
    return this.sockets.filter(({ destroyed }) => !destroyed).length
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }
}

function reported(response: ServerResponse): void {
  response.writeHead(204, { 'endpoint-load-metrics': REPORT }).end()
}

let backend: Backend
let origin: string
let endpoint: Endpoint

beforeEach(async () => {
  backend = new Backend()
  origin = await backend.listen()
  // Where the clock stands still, a machine that does so costs no probe its second.
  endpoint = endpointAt(origin, new ManualClock())
})

afterEach(async () => {
  await endpoint.destroy(new Error('over'))
  backend.close()
})

function endpointAt(to: string, clock: Clock, max = Infinity): Endpoint {
  const made = new Endpoint(instanceAt(to), 30, 0, {
    createTransport: http1({
      connector: tcpConnector({}),
      max,
      connectTimeoutMs: () => 1000,
      clock,
      client: {},
    }),
    makeBreaker: undefined,
    judges: [
      () => ({
        record: () => {
          throw new Error('a probe is not for the judges')
        },
        close: () => undefined,
      }),
    ],
    onObserverFailed: () => undefined,
    classifier: new Classifier(),
    onAvailability: () => undefined,
    loop: new LoopWatch(clock),
    clock,
  })
  made.backendLoad = new BackendLoad()
  return made
}

/** Resolves when all that the endpoint had to send is sent and answered. */
async function probed(times: number): Promise<void> {
  await until(() => backend.asked.length === times)
}

async function hasReported(): Promise<void> {
  await until(() => (endpoint.backendLoad?.reportedAt ?? -1) >= 0)
}

describe('a probe', () => {
  test('brings the report, and is not a request to any other part', async () => {
    const before = endpoint.estimateUs(0)
    let changes = 0
    endpoint.onLoadChange(() => changes++)
    endpoint.probe(PATH)
    expect(backend.asked).toEqual([])
    await hasReported()
    expect(backend.asked).toEqual([`GET ${PATH}`])
    expect(endpoint.backendLoad).toMatchObject({ utilization: 0.25, qps: 12, inflight: 3 })
    expect(endpoint).toMatchObject({
      requests: 0,
      failures: 0,
      inflight: 0,
      availability: { state: 'available' },
    })
    expect(changes).toBe(0)
    expect(endpoint.estimateUs(0)).toBe(before)
  })

  test('takes no report from an interim response', async () => {
    let reports = 0
    endpoint.backendLoad?.onReport(() => reports++)
    backend.answer = (_, response) => {
      response.writeEarlyHints({ link: '</style.css>', 'endpoint-load-metrics': REPORT }, () =>
        reported(response),
      )
    }
    endpoint.probe(PATH)
    await hasReported()
    backend.answer = (_, response) => response.end()
    await until(() => {
      endpoint.probe('/next')
      return backend.asked.length === 2
    })
    expect(reports).toBe(1)
  })

  test('is one at a time, on a connection that is kept', async () => {
    for (let n = 0; n < 5; n++) endpoint.probe(PATH)
    await hasReported()
    for (let round = 2; round < 5; round++) {
      await until(() => {
        endpoint.probe(PATH)
        return backend.asked.length === round
      })
    }
    expect(endpoint.connections).toBe(1)
    expect(backend.sockets.length).toBe(1)
  })

  test('is not sent where no report is wanted', async () => {
    endpoint.backendLoad = undefined
    endpoint.probe(PATH)
    endpoint.backendLoad = new BackendLoad()
    endpoint.probe('/wanted')
    await hasReported()
    expect(backend.asked).toEqual(['GET /wanted'])
  })

  test('reads the header of an error, and lets its body go', async () => {
    backend.answer = (_, response) => {
      response.writeHead(500, { 'Endpoint-Load-Metrics': REPORT }).end('x'.repeat(100_000))
    }
    endpoint.probe(PATH)
    await hasReported()
    await until(() => {
      endpoint.probe(PATH)
      return backend.asked.length === 2
    })
    expect(backend.sockets.length).toBe(1)
  })
})

describe('is let be for 30 s', () => {
  const silent: RequestListener = (_, response) => response.writeHead(404).end('nothing here')
  const broken: RequestListener = (request) => request.socket.destroy()

  test.each([
    ['an answer without a report', silent],
    ['a connection that broke', broken],
  ])('after %s', async (_, answer) => {
    const clock = new ManualClock()
    endpoint = endpointAt(origin, clock)
    backend.answer = answer
    endpoint.probe(PATH)
    await probed(1)
    // The answer has arrived when the endpoint asks no more, and the timer is gone.
    await until(() => clock.pending === 0)
    await clock.advance(29_999)
    endpoint.probe(PATH)
    backend.answer = (__, response) => reported(response)
    await clock.advance(1)
    endpoint.probe(PATH)
    await hasReported()
    expect(backend.asked.length).toBe(2)
    expect(endpoint.backendLoad?.reportedAt).toBe(30_000)
    expect(endpoint).toMatchObject({ requests: 0, failures: 0 })
  })

  test('after a connection that was refused, and nothing is thrown', async () => {
    const clock = new ManualClock()
    // No system hands out the lowest port.
    endpoint = endpointAt('http://127.0.0.1:1', clock)
    endpoint.probe(PATH)
    await clock.advance(0)
    await until(() => clock.pending === 0)
    expect(endpoint.failures).toBe(0)
  })

  test('after a second without an answer: the connection is given up, another one serves', async () => {
    const clock = new ManualClock()
    endpoint = endpointAt(origin, clock)
    backend.answer = () => undefined
    endpoint.probe(PATH)
    await probed(1)
    await clock.advance(999)
    expect(endpoint.connections).toBe(1)
    await clock.advance(1)
    expect(endpoint.connections).toBe(0)
    await until(() => backend.open === 0)
    backend.answer = (_, response) => reported(response)
    await clock.advance(30_000)
    endpoint.probe(PATH)
    await hasReported()
    expect(backend.asked.length).toBe(2)
  })

  test('not after a body that never ends', async () => {
    const clock = new ManualClock()
    endpoint = endpointAt(origin, clock)
    backend.answer = (_, response) => {
      response.writeHead(200, { 'endpoint-load-metrics': REPORT }).write('on and on')
    }
    endpoint.probe(PATH)
    await hasReported()
    await clock.advance(1000)
    await until(() => backend.open === 0)
    endpoint.probe(PATH)
    await probed(2)
  })
})

describe('the end', () => {
  test('closing does not wait for a probe, nor for one in the queue', async () => {
    for (const max of [Infinity, 1]) {
      const asked = backend.asked.length
      backend.answer = () => undefined
      // On this clock the second for an answer never ends.
      endpoint = endpointAt(origin, new ManualClock(), max)
      endpoint.probe(PATH)
      await probed(asked + 1)
      await endpoint.close()
      await until(() => backend.open === 0)
      endpoint.probe(PATH)
    }
    await new Promise((resolve) => setImmediate(resolve))
    expect(backend.asked.length).toBe(2)
  })

  test('a probe that was about to be sent is not', async () => {
    endpoint.probe(PATH)
    await endpoint.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(backend.asked).toEqual([])
    expect(endpoint.connections).toBe(0)
  })

  test('destroying breaks one off', async () => {
    const clock = new ManualClock()
    endpoint = endpointAt(origin, clock)
    backend.answer = () => undefined
    endpoint.probe(PATH)
    await probed(1)
    await endpoint.destroy(new Error('over'))
    await until(() => backend.open === 0)
    expect(clock.pending).toBe(0)
  })
})
