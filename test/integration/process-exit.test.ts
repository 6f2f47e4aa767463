import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer as createHttp2Server } from 'node:http2'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { DnsServer } from '#sdk/test-support/dns-server.test.support.js'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { built, Child } from '../support/child.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer, type HttpServer } from '../support/http-server.js'
import { TempFolder } from '../support/temp-folder.js'

// A client that is not closed must not keep a process alive, or every test runner that uses one hangs (Jest says "did
// not exit one second after the test run has completed"); what is awaited must.

const agent = inject('consul').address
const PROGRAM = built('test/dist/support/exit-program.js')

let server: HttpServer
let service: TestService
let dns: DnsServer
let folder: TempFolder
let sources: Readonly<Record<string, object>>

beforeAll(async () => {
  server = await startHttpServer()
  service = new TestService(agent)
  await service.add('a', { port: server.port })
  dns = await DnsServer.start()
  dns.set('A orders.test', [{ type: 'A', name: 'orders.test', ttl: 60, data: '127.0.0.1' }])
  folder = await TempFolder.create('fairlead-exit-')
  const path = join(folder.path, 'services.json')
  await writeFile(path, JSON.stringify({ [service.name]: [server.origin] }))
  sources = {
    Consul: { consul: agent },
    'a fixed list': { origins: [server.origin] },
    'a file': { path },
    DNS: { dns: { servers: [dns.address], name: 'orders.test', port: server.port } },
  }
})

afterAll(async () => {
  await service[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
  await folder[Symbol.asyncDispose]()
})

describe.for(['Consul', 'a fixed list', 'a file', 'DNS'])('a client of %s', (source) => {
  test.for([
    ['idle', ['done']],
    ['ready', ['done']],
    ['request', ['200 ok', 'done']],
    ['request, with a listener', ['200 ok', 'done']],
  ] as const)('that is never closed lets the process end: %s', async ([stage, lines]) => {
    await using child = new Child(process.execPath, [
      PROGRAM,
      stage,
      service.name,
      JSON.stringify(sources[source]),
    ])
    // 13 would be a wait that nothing holds.
    expect(await child.ended, child.stderr).toEqual({ code: 0, signal: null })
    expect(child.lines).toEqual(lines)
  })
})

test('a client over HTTP/2 that is never closed lets the process end', async () => {
  const upstream = createHttp2Server((_request, response) => response.end('ok'))
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  const { port } = upstream.address() as AddressInfo
  const source = JSON.stringify({ origins: [`http://127.0.0.1:${port}`], protocol: 'http2' })
  await using child = new Child(process.execPath, [PROGRAM, 'request', service.name, source])
  expect(await child.ended, child.stderr).toEqual({ code: 0, signal: null })
  expect(child.lines).toEqual(['200 ok', 'done'])
  upstream.close()
})

test.for(['http', 'tcp', 'grpc'])(
  'a health check by %s that is under way lets the process end',
  async (type) => {
    // It takes connections and says nothing, for as long as a check waits: longer than the test.
    let connections = 0
    const silent = createServer((socket) => {
      connections++
      socket.on('error', () => undefined)
    })
    silent.listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    // A connection alone is answered by the kernel: a handshake is not.
    const origins = [`${type === 'tcp' ? 'https' : 'http'}://127.0.0.1:${port}`]
    const healthCheck = {
      type,
      intervalMs: 100,
      timeoutMs: 3_600_000,
      ...(type === 'http' ? { path: '/' } : {}),
    }
    const source = JSON.stringify({ origins, healthCheck })
    await using child = new Child(process.execPath, [PROGRAM, 'health checks', service.name, source])
    expect(await child.ended, child.stderr).toEqual({ code: 0, signal: null })
    expect(child.lines).toEqual(['done'])
    expect(connections).toBe(1)
    silent.close()
  },
)

test.for([
  ['wait for discovery', ['200', 'done']],
  ['wait for readiness', ['done']],
  ['wait for the end', ['done']],
] as const)('a %s keeps the process alive', async ([stage, lines]) => {
  const source = JSON.stringify({ origins: [server.origin] })
  await using child = new Child(process.execPath, [PROGRAM, stage, service.name, source])
  expect(await child.ended, child.stderr).toEqual({ code: 0, signal: null })
  expect(child.lines).toEqual(lines)
})

test('a registration keeps the process alive until it is deregistered', async () => {
  const source = JSON.stringify({ consul: agent })
  await using child = new Child(process.execPath, [PROGRAM, 'registration', `${service.name}-worker`, source])
  expect(await child.ended, child.stderr).toEqual({ code: 0, signal: null })
  expect(child.lines).toEqual(['done'])
})
