import { once } from 'node:events'
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { parseLoadReport, type LoadReport } from './parse.js'
import type { ShutdownReport } from '../registration/graceful-shutdown.js'
import { gracefulShutdown } from '../registration/graceful-shutdown.js'
import { ManualClock } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { loadReporter, reportLoad, type LoadReporter, type LoadReporterOptions } from './load-reporter.js'

const PATH = '/.well-known/endpoint-load'
const servers: Server[] = []

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

async function listen(server: Server): Promise<string> {
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Reporting {
  readonly origin: string
  readonly server: Server
  readonly reporter: LoadReporter
}

async function reporting(listener: RequestListener, options: LoadReporterOptions = {}): Promise<Reporting> {
  const server = createServer(listener)
  const reporter = reportLoad(server, options)
  return { origin: await listen(server), server, reporter }
}

function reportOf(response: Response): LoadReport | undefined {
  return parseLoadReport(response.headers.get('endpoint-load-metrics') ?? '')
}

/** The report after the response has been read to its end. */
async function get(url: string): Promise<LoadReport | undefined> {
  const response = await fetch(url)
  await response.text()
  return reportOf(response)
}

describe('the report', () => {
  test('is in a response however its head is written', async () => {
    const { origin } = await reporting((request, response) => {
      if (request.url === '/implicit') response.end('ok')
      else if (request.url === '/written') response.write('ok', () => response.end())
      else if (request.url === '/status') response.writeHead(200).end('ok')
      else if (request.url === '/undefined') response.writeHead(200, 'Fine', undefined).end('ok')
      else if (request.url === '/null') response.writeHead(200, null as never).end('ok')
      else if (request.url === '/fields')
        response.writeHead(200, { 'set-cookie': ['a', 'b'], 'x-own': '1' }).end('ok')
      else if (request.url === '/list') {
        response.writeHead(200, ['set-cookie', 'a', 'set-cookie', 'b', 'x-own', '1']).end('ok')
      } else if (request.url === '/message') response.writeHead(200, 'Fine', { 'x-own': '1' }).end('ok')
      else response.setHeader('x-own', '1').writeHead(200, { 'x-other': '2' }).end('ok')
    })
    const seen: Record<string, unknown> = {}
    for (const path of [
      'implicit',
      'written',
      'status',
      'undefined',
      'null',
      'fields',
      'list',
      'message',
      'set',
    ]) {
      const response = await fetch(`${origin}/${path}`)
      expect(reportOf(response)?.qps, path).toBeGreaterThan(0)
      seen[path] = [response.headers.getSetCookie(), response.headers.get('x-own'), response.statusText]
      expect(await response.text()).toBe('ok')
    }
    expect(seen).toMatchObject({
      undefined: [[], null, 'Fine'],
      fields: [['a', 'b'], '1', 'OK'],
      list: [['a', 'b'], '1', 'OK'],
      message: [[], '1', 'Fine'],
      set: [[], '1', 'OK'],
    })
  })

  test("leaves the application's own, however it is set", async () => {
    const own = 'TEXT cpu_utilization=7,rps_fractional=7'
    const { origin } = await reporting((request, response) => {
      if (request.url === '/set') response.setHeader('Endpoint-Load-Metrics', own).end()
      else if (request.url === '/list') response.writeHead(200, ['Endpoint-Load-Metrics', own]).end()
      else response.writeHead(200, { 'Endpoint-Load-Metrics': own }).end()
    })
    for (const path of ['set', 'list', 'written']) {
      expect((await fetch(`${origin}/${path}`)).headers.get('endpoint-load-metrics')).toBe(own)
    }
  })

  test('counts requests, errors and what is in flight, without the one that is answered', async () => {
    const clock = new ManualClock()
    const waiting: (() => void)[] = []
    const { origin, reporter } = await reporting(
      (request, response) => {
        if (request.url === '/wait') waiting.push(() => response.end())
        else response.writeHead(request.url === '/bad' ? 503 : 404).end()
      },
      { clock },
    )
    expect(await get(`${origin}/`)).toMatchObject({ qps: 1, eps: 0, inflight: 0 })
    const held = [get(`${origin}/wait`), get(`${origin}/wait`)]
    await until(() => waiting.length === 2)
    await clock.advance(100)
    expect(await get(`${origin}/bad`)).toMatchObject({ qps: 3.64, eps: 0.91, inflight: 2 })
    expect(reporter.inflight).toBe(2)
    for (const end of waiting) end()
    await Promise.all(held)
    await until(() => reporter.inflight === 0)
    await clock.advance(2000)
    expect(parseLoadReport(reporter.text())).toMatchObject({ qps: 0, eps: 0, inflight: 0 })
  })

  test('says what a request takes at this number in flight', async () => {
    const clock = new ManualClock()
    const waiting: (() => void)[] = []
    const { origin, reporter } = await reporting((_, response) => void waiting.push(() => response.end()), {
      clock,
    })
    const serve = async (count: number, ms: number): Promise<void> => {
      const sent = Array.from({ length: count }, () => get(`${origin}/`))
      await until(() => waiting.length === count)
      await clock.advance(ms)
      for (const end of waiting.splice(0)) end()
      await Promise.all(sent)
      await until(() => reporter.inflight === 0)
    }
    for (let n = 0; n < 3; n++) await serve(1, 20)
    expect(parseLoadReport(reporter.text())?.latencyMs).toBe(20)
    // The first of them is one that came when nothing was in flight: of four such it is not the middle.
    await serve(4, 300)
    expect(parseLoadReport(reporter.text())?.latencyMs).toBe(20)
    const held = [1, 2, 3, 4].map(() => get(`${origin}/`))
    await until(() => waiting.length === 4)
    expect(parseLoadReport(reporter.text())?.latencyMs).toBe(300)
    for (const end of waiting) end()
    await Promise.all(held)
  })

  test('takes a client that goes away for no latency, and for nothing in flight', async () => {
    const clock = new ManualClock()
    const { origin, reporter } = await reporting(() => undefined, { clock })
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n')
    await until(() => reporter.inflight === 1)
    await clock.advance(5000)
    socket.destroy()
    await until(() => reporter.inflight === 0)
    expect(parseLoadReport(reporter.text())).toMatchObject({ latencyMs: -1, eps: 0 })
  })

  test('counts nothing of a pipeline whose connection is gone', async () => {
    const { origin, reporter } = await reporting(() => undefined)
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.on('error', () => undefined)
    socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(4))
    await until(() => reporter.inflight === 4)
    socket.resetAndDestroy()
    await until(() => reporter.inflight === 0)
    expect(parseLoadReport(reporter.text())).toMatchObject({ latencyMs: -1 })
  })

  test("says the event loop's utilization, as it rises and falls", async () => {
    const { reporter } = await reporting((_, response) => response.end())
    const utilization = (): number => parseLoadReport(reporter.text())?.utilization ?? NaN
    const busyUntil = performance.now() + 1500
    await until(() => {
      const end = performance.now() + 50
      while (performance.now() < end);
      return performance.now() > busyUntil
    })
    expect(utilization()).toBeGreaterThan(0.5)
    await until(() => utilization() < 0.3, 8000)
    expect(utilization()).toBeGreaterThan(0)
  }, 15_000)

  test("says the application's own utilization, unless that is invalid", async () => {
    const clock = new ManualClock()
    let own: () => number = () => 0.75
    const { reporter } = await reporting((_, response) => response.end(), { clock, utilization: () => own() })
    expect(reporter.text()).toContain('application_utilization=0.75,')
    for (const bad of [
      () => NaN,
      () => -1,
      () => Infinity,
      () => {
        throw new Error('the pool is closed')
      },
    ]) {
      own = bad
      await clock.advance(100)
      const said = Number(/^TEXT application_utilization=([\d.]+),/.exec(reporter.text())?.[1])
      expect(said).toBeGreaterThan(0)
      expect(said).toBeLessThanOrEqual(1)
    }
    own = () => 0
    await clock.advance(100)
    expect(reporter.text()).toContain('application_utilization=0.0001,')
  })
})

describe('the path', () => {
  test('is answered beside the application, and does not count as load', async () => {
    const asked: unknown[] = []
    const { origin } = await reporting((request, response) => {
      asked.push(request.url)
      response.end()
    })
    const clocked = await fetch(`${origin}${PATH}`)
    expect([clocked.status, clocked.headers.get('cache-control')]).toEqual([204, 'no-store'])
    expect(reportOf(clocked)).toMatchObject({ qps: 0, inflight: 0 })
    expect((await fetch(`${origin}${PATH}`, { method: 'HEAD' })).status).toBe(204)
    await fetch(`${origin}${PATH}`, { method: 'POST' })
    expect(asked).toEqual([PATH])
  })

  test.each<[LoadReporterOptions, string]>([
    [{ path: false }, PATH],
    [{ path: '/load' }, PATH],
  ])('is whatever it was set to: %o', async (options, other) => {
    const { origin } = await reporting((_, response) => response.end('from the application'), options)
    expect(await (await fetch(`${origin}${other}`)).text()).toBe('from the application')
    expect((await fetch(`${origin}/load`)).status).toBe(options.path === false ? 200 : 204)
  })
})

describe('as a middleware', () => {
  test('counts, reports and answers the path, in front of what comes next', async () => {
    const reporter = loadReporter()
    const origin = await listen(
      createServer((request, response) => reporter.handle(request, response, () => response.end('next'))),
    )
    expect((await get(`${origin}/`))?.qps).toBeGreaterThan(0)
    const probe = await fetch(`${origin}${PATH}`)
    expect([probe.status, reportOf(probe)?.inflight]).toEqual([204, 0])
    await until(() => reporter.inflight === 0)
  })

  test('disposed of, it lets everything by', async () => {
    const reporter = loadReporter()
    const origin = await listen(
      createServer((request, response) => reporter.handle(request, response, () => response.end('next'))),
    )
    reporter[Symbol.dispose]()
    for (const path of ['/', PATH]) {
      const response = await fetch(`${origin}${path}`)
      expect([await response.text(), reportOf(response)]).toEqual(['next', undefined])
    }
  })
})

test('disposed of, a server is as it was', async () => {
  const { origin, reporter } = await reporting((_, response) => response.end('as before'))
  reporter[Symbol.dispose]()
  for (const path of ['/', PATH]) {
    const response = await fetch(`${origin}${path}`)
    expect([await response.text(), reportOf(response)]).toEqual(['as before', undefined])
  }
})

test('a request that waits for its 100-continue counts once', async () => {
  const { origin, server, reporter } = await reporting((request, response) => {
    request.resume().on('end', () => response.end(String(reporter.inflight)))
  })
  server.on('checkContinue', (request, response) => {
    response.writeContinue()
    server.emit('request', request, response)
  })
  const request = httpRequest(origin, { method: 'POST', headers: { expect: '100-continue' } })
  request.on('continue', () => request.end('body'))
  const [response] = (await once(request, 'response')) as [AsyncIterable<Buffer> & { headers: object }]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toBe('1')
  expect(response.headers).toHaveProperty('endpoint-load-metrics')
  await until(() => reporter.inflight === 0)
})

// In either order: who comes last is in front.
test.each(['before', 'after'])(
  '%s gracefulShutdown, no request is lost, and probes are told to leave',
  async (order) => {
    let end: (() => void) | undefined
    const server = createServer((_, response) => {
      end = () => response.end('done')
    })
    const shut = (): { begin: () => Promise<ShutdownReport> } =>
      gracefulShutdown(server, { raise: false, signals: [], idleMs: 100 })
    const early = order === 'after' ? shut() : undefined
    const reporter = reportLoad(server)
    const origin = await listen(server)
    const shutdown = early ?? shut()
    const probes = connect(Number(new URL(origin).port), '127.0.0.1')
    const answers: string[] = []
    probes.on('data', (data: Buffer) => answers.push(data.toString()))
    const probe = (): boolean => probes.write(`GET ${PATH} HTTP/1.1\r\nhost: a\r\n\r\n`)
    probe()
    await until(() => answers.length === 1)
    expect(answers[0]).toContain('Connection: keep-alive')
    const held = fetch(origin)
    await until(() => end !== undefined)
    const ended = shutdown.begin()
    await until(() => !server.listening)
    probe()
    await until(() => answers.length === 2)
    expect(answers[1]).toContain('Connection: close')
    end?.()
    const response = await held
    expect([await response.text(), response.headers.get('connection')]).toEqual(['done', 'close'])
    expect(reportOf(response)?.inflight).toBe(0)
    expect(await ended).toMatchObject({ finished: true })
    expect(reporter.inflight).toBe(0)
  },
)

test.each<[LoadReporterOptions, string]>([
  [{ path: 'load' }, 'path'],
  [{ path: '/load?x' }, 'path'],
  [{ utilization: 3 as never }, 'utilization'],
  [{ pth: '/' } as never, 'pth'],
])('refuses %o', (options, name) => {
  expect(() => loadReporter(options)).toThrow(name)
})

test('rejects what is not a server', () => {
  expect(() => reportLoad({} as never)).toThrow('a server of node:http or node:https')
})
