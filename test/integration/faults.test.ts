import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createClient, type Client } from '@fairlead/sdk'
import { describe, expect, inject, test } from 'vitest'
import { startAgentProxy } from '../support/agent-proxy.js'
import { uniqueService } from '../support/consul/registry.js'
import { TestService } from '../support/consul/test-service.js'
import { freePorts } from '../support/free-ports.js'
import { startHttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

const agent = inject('consul').address

async function refusingAddress(): Promise<{ port: number; address: string }> {
  const [port = 0] = await freePorts(1)
  return { port, address: `http://127.0.0.1:${port}` }
}

function clientAt(address: string, service: string, timeoutMs: number): Client {
  return createClient(service, { consul: { address }, logger: quiet, timeoutMs })
}

describe('Consul unreachable at start', () => {
  test('a request waits up to timeoutMs, and then says that Consul could not be reached', async () => {
    const { address } = await refusingAddress()
    const name = uniqueService('orders')
    await using client = clientAt(address, name, 800)
    const askedAt = performance.now()
    const failing = client.request({ path: '/' })
    await eventually(() => client.inspect().reason, { what: 'a first failure' })
    expect(client.inspect()).toMatchObject({ freshness: 'waiting', endpoints: [] })
    expect(client.inspect().reason).toContain('ECONNREFUSED')
    await expect(failing).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      service: name,
      message: expect.stringMatching(
        new RegExp(`^${name} has no endpoint yet: Consul at ${address} could not be reached: .*ECONNREFUSED`),
      ) as string,
    })
    // Less a millisecond, as timers of Node round.
    expect(performance.now() - askedAt).toBeGreaterThanOrEqual(799)
    await expect(client.ready({ timeoutMs: 100 })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: expect.stringMatching(/not ready after 100 ms: .*ECONNREFUSED/) as string,
    })
  })

  test('one request may wait for less long than the client would', async () => {
    const { address } = await refusingAddress()
    await using client = clientAt(address, uniqueService('orders'), 30_000)
    await expect(client.request({ path: '/', timeoutMs: 200 })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
    })
  })

  test('a waiting request can be aborted', async () => {
    const { address } = await refusingAddress()
    await using client = clientAt(address, uniqueService('orders'), 30_000)
    const controller = new AbortController()
    const failing = client.request({ path: '/', signal: controller.signal })
    await eventually(() => client.inspect().reason, { what: 'a first failure' })
    controller.abort(new Error('no longer wanted'))
    await expect(failing).rejects.toThrow('no longer wanted')
  })

  test('the requests that wait succeed as soon as Consul is there', async () => {
    const { address, port } = await refusingAddress()
    await using service = new TestService(agent)
    await using server = await startHttpServer()
    await service.add('a', { port: server.port })
    await using client = clientAt(address, service.name, 30_000)
    const waiting = [
      client.request({ path: '/' }).then(({ body }) => body.text()),
      client.request({ path: '/', method: 'POST', body: 'once' }).then(({ body }) => body.text()),
      client.fetch('/').then((response) => response.text()),
    ]
    const ready = client.ready()
    await eventually(() => client.inspect().reason, { what: 'a first failure' })
    await using proxy = await startAgentProxy(agent, port)
    expect(await Promise.all(waiting)).toEqual(['ok', 'ok', 'ok'])
    await ready
    expect(server.requests).toBe(3)
    expect(client.inspect()).toMatchObject({ freshness: 'fresh', reason: undefined })
    expect(proxy.queries.length).toBeGreaterThan(0)
  })

  test('a client can be closed while Consul is away', async () => {
    const { address } = await refusingAddress()
    const client = clientAt(address, uniqueService('orders'), 30_000)
    const ready = expect(client.ready()).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await eventually(() => client.inspect().reason, { what: 'a first failure' })
    await client.close()
    await expect(client.request({ path: '/' })).rejects.toMatchObject({ code: 'CLIENT_CLOSED' })
    await ready
  })
})

describe('an address that is no Consul agent, or a broken one', () => {
  const answers: readonly [string, string, RegExp][] = [
    [
      'a page',
      http('200 OK', '<!doctype html><p>Welcome'),
      /got <!doctype html>.*address of a Consul agent$/,
    ],
    ['an empty body', http('200 OK', ''), /got nothing\); check that this is the address of a Consul agent/],
    [
      'JSON that is not a list',
      http('200 OK', '{"message":"hello"}'),
      /expected a JSON list, got {"message":"hello"}/,
    ],
    ['a page that is not there', http('404 Not Found', 'nothing here'), /answered 404 \(nothing here\)/],
    [
      'no leader',
      http('500 Internal Server Error', 'No cluster leader'),
      /500 \(No cluster leader\).*no leader/,
    ],
    ['a body cut off', http('200 OK', '[{"Node"', 4000), /ended its answer too early/],
    ['another protocol', 'SSH-2.0-OpenSSH_9.2\r\n', /could not be reached: .*does not match the HTTP/],
    ['nothing, and hangs up', '', /could not be reached: .*(other side closed|ECONNRESET)/],
  ]

  test.for(answers)('%s', async ([, answer, said]) => {
    await using server = await startRawServer(answer)
    const name = uniqueService('orders')
    await using client = clientAt(server.address, name, 30_000)
    const waiting = client.request({ path: '/', timeoutMs: 50 }).catch((error: unknown) => error)
    await eventually(() => client.inspect().reason, { what: 'a first answer' })
    await waiting
    const failure = await client.request({ path: '/', timeoutMs: 50 }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'NO_ENDPOINTS', service: name })
    expect((failure as Error).message).toMatch(said)
    expect((failure as Error).message).toContain(`Consul at ${server.address}`)
    expect(client.inspect().freshness).toBe('waiting')
  })
})

function http(status: string, body: string, length = Buffer.byteLength(body)): string {
  return `HTTP/1.1 ${status}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`
}

/** Says `answer` to whatever it is asked, and hangs up. */
async function startRawServer(answer: string): Promise<AsyncDisposable & { readonly address: string }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy()))
    socket.once('data', () => socket.end(answer))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close()
      sockets.forEach((socket) => socket.destroy())
      await once(server, 'close')
    },
  }
}
