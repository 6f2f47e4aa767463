import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { getEventListeners, once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../clock.js'
import {
  aclNotFound,
  answer,
  FakeConsul,
  healthEntry,
  hold,
  ManualClock,
  refuse,
  type FakeConsulOptions,
} from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { ConsulAgent, type AgentOptions, type AgentRequest } from './agent.js'
import { Authority, pemOf } from './authority.test.support.js'

const base = mkdtempSync(join(tmpdir(), 'fairlead-agent-'))
afterAll(() => rmSync(base, { recursive: true }))

const authority = new Authority(base, 'authority')
const stranger = new Authority(base, 'stranger')
const serving = authority.issue('server', 'localhost', 'server.dc1.consul', '127.0.0.1')
const [alice, bob] = [authority.issue('alice', 'alice'), authority.issue('bob', 'bob')]
const mallory = stranger.issue('mallory', 'mallory')

const health: AgentRequest = { method: 'GET', path: '/v1/health/service/orders', timeoutMs: 10_000 }
const entries = [healthEntry(1)]

let fake: FakeConsul
let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(base, 'test-'))
})

afterEach(() => fake.close())

/** As Consul with `verify_incoming`: it wants a certificate of ours. */
const mutual: FakeConsulOptions = {
  tls: {
    ...pemOf(serving),
    ca: readFileSync(authority.certFile),
    requestCert: true,
    rejectUnauthorized: true,
  },
}

const noTls = {
  caFile: undefined,
  caPath: undefined,
  certFile: undefined,
  keyFile: undefined,
  serverName: undefined,
  verify: true,
}

function agentOf(
  tls: Partial<AgentOptions['tls']> = {},
  options: Partial<AgentOptions> = {},
  clock = systemClock,
): ConsulAgent {
  return new ConsulAgent(
    {
      address: fake.address,
      pathPrefix: '',
      token: undefined,
      tokenFile: undefined,
      bearer: false,
      basicAuth: undefined,
      namespace: undefined,
      partition: undefined,
      ...options,
      tls: { ...noTls, ...tls },
    },
    clock,
  )
}

function ask(
  agent: ConsulAgent,
  request: Partial<AgentRequest> = {},
  signal = new AbortController().signal,
): Promise<unknown> {
  return agent.ask({ ...health, ...request }, signal).then(({ text }) => JSON.parse(text) as unknown)
}

describe('over TLS', () => {
  test('with a certificate of ours', async () => {
    fake = await FakeConsul.open(mutual)
    fake.serve('orders', entries)
    const agent = agentOf({ caFile: authority.certFile, ...alice })
    expect(agent.name).toBe(`Consul at https://localhost:${new URL(fake.address).port}`)
    expect(await ask(agent)).toEqual(entries)
    expect(fake.requests.map(({ clientName }) => clientName)).toEqual(['alice'])
  })

  test('a certificate that is replaced counts from the next query on, and none in flight is lost', async () => {
    fake = await FakeConsul.open(mutual)
    fake.serve('orders', entries)
    const [certFile, keyFile] = [join(directory, 'client.pem'), join(directory, 'client.key')]
    const become = ({ certFile: cert, keyFile: key }: typeof alice): void => {
      copyFileSync(cert, certFile)
      copyFileSync(key, keyFile)
    }
    become(alice)
    const agent = agentOf({ caFile: authority.certFile, certFile, keyFile })
    const blocked = ask(agent, { query: new URLSearchParams({ index: '2' }) })
    await until(() => fake.holds('orders'))
    become(bob)
    expect(await ask(agent)).toEqual(entries)
    expect(fake.requests.map(({ clientName }) => clientName)).toEqual(['alice', 'bob'])
    fake.serve('orders', [])
    expect(await blocked).toEqual([])
    expect(await ask(agent)).toEqual([])
    expect(fake.requests.map(({ clientName }) => clientName)).toEqual(['alice', 'bob', 'bob'])
    // Of the old ones none is kept.
    await until(() => fake.connections === 1)
  })

  test('many queries while certificates are being replaced: none fails', async () => {
    fake = await FakeConsul.open(mutual)
    fake.serve('orders', entries)
    const [certFile, keyFile] = [join(directory, 'client.pem'), join(directory, 'client.key')]
    const agent = agentOf({ caFile: authority.certFile, certFile, keyFile })
    for (let round = 0; round < 10; round++) {
      const { certFile: cert, keyFile: key } = round % 2 === 0 ? alice : bob
      const asked = Array.from({ length: 4 }, () => (round === 0 ? undefined : ask(agent)))
      copyFileSync(cert, certFile)
      const between = Array.from({ length: 4 }, () => (round === 0 ? undefined : ask(agent)))
      copyFileSync(key, keyFile)
      const after = Array.from({ length: 4 }, () => ask(agent))
      for (const answered of await Promise.all([...asked, ...between, ...after]))
        if (answered !== undefined) expect(answered).toEqual(entries)
    }
    expect(new Set(fake.requests.map(({ clientName }) => clientName))).toEqual(new Set(['alice', 'bob']))
  })

  test('by a name that is not the address', async () => {
    fake = await FakeConsul.open(mutual)
    fake.serve('orders', entries)
    const address = fake.address.replace('localhost', '127.0.0.1')
    const agent = agentOf(
      { caFile: authority.certFile, serverName: 'server.dc1.consul', ...alice },
      { address },
    )
    expect(await ask(agent)).toEqual(entries)
  })

  test.each<[string, Partial<AgentOptions['tls']>, RegExp]>([
    [
      'an authority that is not that of the agent',
      { caFile: stranger.certFile, ...alice },
      /could not be reached: .*(?:issuer|self-signed).*; consul\.tls\.caFile \(CONSUL_CACERT\) must hold the authority that signed the agent's certificate$/,
    ],
    [
      'no authority but those of Node',
      alice,
      /could not be reached: .*; consul\.tls\.caFile \(CONSUL_CACERT\) must hold the authority/,
    ],
    [
      'a name that is not in the certificate',
      { caFile: authority.certFile, serverName: 'server.dc2.consul', ...alice },
      /could not be reached: .*altnames.*; consul\.tls\.serverName \(CONSUL_TLS_SERVER_NAME\) must be a name in the certificate/,
    ],
    [
      'no certificate of ours',
      { caFile: authority.certFile },
      /could not be reached: .*; an agent with verify_incoming requires a certificate that its authority has signed, in consul\.tls\.certFile and keyFile/,
    ],
    [
      'a certificate of another authority',
      { caFile: authority.certFile, ...mallory },
      /could not be reached: .*; an agent with verify_incoming requires a certificate that its authority has signed/,
    ],
    [
      'a file that is not there',
      { caFile: '/nowhere/ca.pem', ...alice },
      /could not be reached: the TLS file \/nowhere\/ca\.pem cannot be read: ENOENT/,
    ],
  ])('%s: an error that says what to do', async (_, tls, message) => {
    fake = await FakeConsul.open(mutual)
    fake.serve('orders', entries)
    await expect(ask(agentOf(tls))).rejects.toThrow(message)
    await expect(ask(agentOf(tls))).rejects.toMatchObject({ name: 'ConsulError', statusCode: undefined })
  })

  test('verify: false takes any certificate', async () => {
    fake = await FakeConsul.open(mutual)
    fake.serve('orders', entries)
    expect(await ask(agentOf({ verify: false, ...alice }))).toEqual(entries)
  })

  test('on a port that does not speak it: an error that says what to do', async () => {
    fake = await FakeConsul.start()
    const agent = agentOf({}, { address: fake.address.replace('http:', 'https:') })
    await expect(ask(agent)).rejects.toThrow(
      /; this port does not speak TLS: give its address with http:\/\//,
    )
  })
})

describe('over a unix socket', () => {
  test('as over TCP', async () => {
    const socketPath = join(directory, 'consul.sock')
    fake = await FakeConsul.open({ socketPath })
    fake.serve('orders', entries)
    const agent = agentOf({}, { token: 'secret' })
    expect(agent.name).toBe(`Consul at unix://${socketPath}`)
    expect(await ask(agent)).toEqual(entries)
    expect(fake.queries[0]).toMatchObject({ token: 'secret', headers: { host: 'localhost' } })
    await fake.restart()
    // A connection that has just died may not have been noticed.
    await expect.poll(() => ask(agent).catch(() => undefined)).toEqual(entries)
  })

  test('that is not there', async () => {
    fake = await FakeConsul.start()
    const agent = agentOf({}, { address: `unix://${directory}/none.sock` })
    await expect(ask(agent)).rejects.toThrow(/could not be reached: .*ENOENT.*none\.sock/)
  })
})

describe('a question', () => {
  test('carries path, namespace, partition, query and body', async () => {
    fake = await FakeConsul.start()
    fake.on('PUT /proxy/v1/agent/thing', refuse(200, '{}'), refuse(200, '{}'))
    const agent = agentOf(
      {},
      { pathPrefix: '/proxy', namespace: 'team', partition: 'east', bearer: true, token: 't' },
    )
    const put = { method: 'PUT', path: '/v1/agent/thing', body: { a: 'é' } } as const
    await ask(agent, { ...put, query: new URLSearchParams({ flag: '' }) })
    await ask(agent, { ...put, query: new URLSearchParams({ ns: 'other' }) })
    expect(fake.requests.map(({ method, path, query }) => `${method} ${path}?${query.toString()}`)).toEqual([
      'PUT /proxy/v1/agent/thing?flag=&ns=team&partition=east',
      'PUT /proxy/v1/agent/thing?ns=other&partition=east',
    ])
    expect(fake.requests[0]?.headers).toMatchObject({ authorization: 'Bearer t', accept: 'application/json' })
  })

  test('that is cancelled closes its connection, and only its caller is told', async () => {
    fake = await FakeConsul.start(hold())
    const stop = new AbortController()
    const asked = ask(agentOf(), {}, stop.signal)
    await until(() => fake.held === 1)
    stop.abort()
    await expect(asked).rejects.toThrow(/could not be reached/)
    await until(() => fake.connections === 0)
    await expect(ask(agentOf(), {}, stop.signal)).rejects.toThrow(/could not be reached/)
    expect(fake.requests).toHaveLength(1)
  })

  test('leaves no timer, and no listener on a signal that lives indefinitely', async () => {
    fake = await FakeConsul.start()
    fake.serve('orders', entries)
    const clock = new ManualClock()
    const stop = new AbortController()
    const agent = agentOf({}, {}, clock)
    for (let n = 0; n < 20; n++) await ask(agent, {}, stop.signal)
    fake.script(refuse(500, 'no'))
    await expect(ask(agent, {}, stop.signal)).rejects.toThrow('answered 500')
    expect([getEventListeners(stop.signal, 'abort').length, clock.pending]).toEqual([0, 0])
  })

  test('is repeated once where the token file has another token by now, by all that were refused', async () => {
    fake = await FakeConsul.start(aclNotFound(), aclNotFound(), answer(1, entries), answer(1, entries))
    const tokenFile = join(directory, 'token')
    writeFileSync(tokenFile, 'first')
    const agent = agentOf({}, { tokenFile })
    fake.silence()
    const both = Promise.all([ask(agent), ask(agent)])
    await until(() => fake.held === 2)
    writeFileSync(tokenFile, 'second')
    fake.speak()
    expect(await both).toEqual([entries, entries])
    expect(fake.queries.map(({ token }) => token)).toEqual(['first', 'first', 'second', 'second'])
    fake.script(aclNotFound())
    await expect(ask(agent)).rejects.toMatchObject({ statusCode: 403, said: 'ACL not found' })
    expect(fake.queries).toHaveLength(5)
  })

  test('is abandoned in time by our own clock, when its connection is not accepted', async () => {
    fake = await FakeConsul.start()
    const deaf = createServer({ pauseOnConnect: true })
    deaf.listen(0, '127.0.0.1')
    await once(deaf, 'listening')
    const clock = new ManualClock()
    const { port } = deaf.address() as { port: number }
    const asked = ask(agentOf({}, { address: `http://127.0.0.1:${port}` }, clock), { timeoutMs: 70 })
    const outcome = expect(asked).rejects.toThrow('has not answered /v1/health/service/orders within 70 ms')
    await until(() => clock.pending === 1)
    await clock.advance(70)
    await outcome
    deaf.close()
  })
})
