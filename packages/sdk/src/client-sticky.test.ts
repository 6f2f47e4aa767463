import { createServer as createTcpServer } from 'node:net'
import { once } from 'node:events'
import type { IncomingHttpHeaders } from 'node:http'
import { describe, expect, test } from 'vitest'
import { afterwards, serve } from './client.test.support.js'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import type { ClientOptions } from './client-options.js'
import type { ClientRequestOptions } from './call/request-options.js'
import type { StickyOptions } from './sessions/sticky-options.js'
import { FakeResolver, instanceAt } from './testing/index.js'
import { until } from './test-support/until.test.support.js'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'correct-horse-battery-staple-4711'
const byCookie: StickyOptions = { cookie: 'sid', secret }

/** A client of servers that come and go; it takes turns where no session says otherwise. */
class Rig {
  readonly resolver = new FakeResolver()
  readonly client: Client

  constructor(origins: readonly string[], options: ClientOptions = {}) {
    this.client = createClient('orders', {
      resolver: this.resolver,
      logger: silent,
      balancer: 'round_robin',
      removal: false,
      sticky: byCookie,
      ...options,
    })
    afterwards(() => this.client.dispatcher.destroy())
    this.resolver.snapshot(origins.map((origin) => instanceAt(origin)))
  }

  async list(origins: readonly string[]): Promise<void> {
    this.resolver.snapshot(origins.map((origin) => instanceAt(origin)))
    await until(() => this.client.inspect().endpoints.length === origins.length)
  }

  async ask(options: Partial<ClientRequestOptions> = {}): Promise<Answer> {
    const { statusCode, headers, body } = await this.client.request({ path: '/', ...options })
    const text = await body.text()
    const cookies = [headers['set-cookie'] ?? []].flat()
    const session = cookies.map((each) => /^sid=([\w-]+)/.exec(each)?.[1]).find((each) => each !== undefined)
    return { statusCode, headers, text, cookies, session }
  }

  /** A request with this session in its cookie. */
  with(session: string | undefined, options: Partial<ClientRequestOptions> = {}): Promise<Answer> {
    return this.ask({ ...options, headers: { cookie: `a=1; sid=${String(session)}; b=2` } })
  }
}

interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  readonly cookies: readonly string[]
  /** The one that it sets. */
  readonly session: string | undefined
}

/** A server that answers with its name. */
const named = (name: string): Promise<string> => serve((_, response) => response.end(name))
const several = (): Promise<string[]> => Promise.all(['a', 'b', 'c', 'd'].map(named))

test('a session stays with its server while others come and go', async () => {
  const origins = await several()
  const rig = new Rig(origins)
  const { text: server, session, cookies } = await rig.ask()
  expect(cookies).toEqual([`sid=${String(session)}; Path=/; HttpOnly; SameSite=Lax`])
  const own = origins[['a', 'b', 'c', 'd'].indexOf(server)] ?? ''
  const others = origins.filter((origin) => origin !== own)
  const sets = [origins, [own], [...others.slice(1), own], [own, ...others, await named('e')]]
  for (const set of sets) {
    await rig.list(set)
    for (let n = 0; n < 4; n++) {
      const answer = await rig.with(session)
      expect(answer).toMatchObject({ text: server, cookies: [] })
    }
  }
  // A request without a session still goes to all.
  const everyone = new Set<string>()
  for (let n = 0; n < 5; n++) everyone.add((await rig.ask()).text)
  expect(everyone.size).toBe(5)
})

test('explain says where a session leads', async () => {
  const origins = await several()
  const rig = new Rig(origins)
  const { text, session } = await rig.ask()
  const { picked, steps } = rig.client.explain({ headers: { cookie: `sid=${String(session)}` } })
  expect(picked?.origin).toBe(origins[['a', 'b', 'c', 'd'].indexOf(text)])
  expect(steps).toEqual(['the session of the request is on it'])
  expect(rig.client.explain().steps).toEqual(['the request has no session', 'next in rotation'])
})

test('when the server is gone the session moves to another, and stays there', async () => {
  const origins = await several()
  const rig = new Rig(origins)
  const first = await rig.ask()
  await rig.list(origins.filter((_, place) => ['a', 'b', 'c', 'd'][place] !== first.text))
  const second = await rig.with(first.session)
  expect(second.text).not.toBe(first.text)
  expect(second.session).not.toBe(first.session)
  for (let n = 0; n < 4; n++) {
    expect(await rig.with(second.session)).toMatchObject({ text: second.text, cookies: [] })
  }
})

test('another client with the secret knows the session, and one of another service does not', async () => {
  const origins = await several()
  const { text, session } = await new Rig(origins).ask()
  const replica = new Rig([...origins].reverse())
  for (let n = 0; n < 4; n++) expect((await replica.with(session)).text).toBe(text)
  const payments = createClient('payments', { resolver: replica.resolver, logger: silent, sticky: byCookie })
  afterwards(() => payments.dispatcher.destroy())
  replica.resolver.snapshot(origins.map((origin) => instanceAt(origin)))
  const { headers, body } = await payments.request({
    path: '/',
    headers: { cookie: `sid=${String(session)}` },
  })
  await body.dump()
  expect(headers['set-cookie']).toMatch(/^sid=/)
})

test('a POST that its server cannot have seen is sent elsewhere, and the session goes with it', async () => {
  const healthy = await serve((request, response) => {
    request.pipe(response)
  })
  // Its address has served this session; now nothing listens there.
  const dying = createTcpServer((socket) => {
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close\r\n\r\nd'),
    )
  }).listen(0, '127.0.0.1')
  await once(dying, 'listening')
  const dead = `http://127.0.0.1:${(dying.address() as { port: number }).port}`
  const rig = new Rig([dead])
  const { session } = await rig.ask()
  dying.close()
  await once(dying, 'close')
  await rig.list([dead, healthy])
  const answer = await rig.with(session, { method: 'POST', body: 'ordered' })
  expect(answer).toMatchObject({ statusCode: 200, text: 'ordered' })
  expect(answer.session).toMatch(/^[\w-]{32}$/)
  expect(answer.session).not.toBe(session)
  expect(rig.client.inspect().endpoints.map(({ failures }) => failures)).toEqual([1, 0])
  // Nothing listens at the address of the old session: the endpoint that answers instead takes it over again.
  expect((await rig.with(session)).session).toBe(answer.session)
  expect((await rig.with(answer.session)).cookies).toEqual([])
})

test("errors of a server have a session too, and the server's own cookies stay", async () => {
  const origin = await serve((_, response) => {
    response.writeHead(503, { 'set-cookie': ['a=1; Path=/', 'sid=theirs'] }).end('busy')
  })
  const { statusCode, text, cookies } = await new Rig([origin]).ask()
  expect([statusCode, text]).toEqual([503, 'busy'])
  expect(cookies.slice(0, 2)).toEqual(['a=1; Path=/', 'sid=theirs'])
  expect(cookies[2]).toMatch(/^sid=[\w-]{32}; Path/)
})

test('interim responses have none, and an upgrade has', async () => {
  const { createServer } = await import('node:http')
  const server = createServer((_, response) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' })
    response.end('a')
  })
  server.on('upgrade', (_, socket) => {
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  afterwards(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const rig = new Rig([`http://127.0.0.1:${(server.address() as { port: number }).port}`])
  const interim: unknown[] = []
  const { body, headers } = await rig.client.request({
    path: '/',
    onInfo: (info) => void interim.push(info.headers),
  })
  await body.dump()
  expect(interim).toEqual([{ link: '</a>; rel=preload' }])
  const upgraded = await rig.client.dispatcher.upgrade({ path: '/', protocol: 'echo' })
  upgraded.socket.destroy()
  expect(upgraded.headers['set-cookie']).toEqual(headers['set-cookie'])
})

describe('a session in a header', () => {
  const sticky: StickyOptions = { header: 'X-Session', secret }

  test('is given once, and kept by the caller', async () => {
    const rig = new Rig(await several(), { sticky })
    const first = await rig.ask()
    const session = first.headers['x-session']
    expect(session).toMatch(/^[\w-]{32}$/)
    for (const name of ['x-session', 'X-SESSION']) {
      for (let n = 0; n < 4; n++) {
        const { text, headers } = await rig.ask({ headers: { [name]: session as string } })
        expect(text).toBe(first.text)
        expect(headers).not.toHaveProperty('x-session')
      }
    }
    expect((await rig.ask({ headers: { 'x-session': 'forged' } })).headers['x-session']).toMatch(
      /^[\w-]{32}$/,
    )
  })

  test('is read from headers that can be read once, which are sent all the same, also on a retry', async () => {
    const echo = await serve(({ headers }, response) => response.end(JSON.stringify(headers)))
    const rig = new Rig([echo, 'http://127.0.0.1:1'], { sticky, breaker: false })
    const session = (await rig.ask()).headers['x-session'] as string
    function* once(): Generator<[string, string]> {
      yield ['x-session', session]
      yield ['x-other', 'b']
    }
    for (let n = 0; n < 4; n++) {
      const { text, headers } = await rig.ask({ headers: once() })
      expect(JSON.parse(text)).toMatchObject({ 'x-session': session, 'x-other': 'b' })
      expect(headers).not.toHaveProperty('x-session')
    }
  })

  test('works with fetch', async () => {
    const rig = new Rig(await several(), { sticky })
    const first = await rig.client.fetch('/')
    const server = await first.text()
    const headers = { 'X-Session': first.headers.get('x-session') ?? '' }
    for (let n = 0; n < 4; n++) expect(await (await rig.client.fetch('/', { headers })).text()).toBe(server)
  })
})

test('neither the secret nor an address is in what a client says of itself, nor in a session', async () => {
  const [origin = ''] = await several()
  const rig = new Rig([origin])
  const { session = '' } = await rig.ask()
  expect(JSON.stringify(rig.client.inspect())).not.toContain('correct-horse')
  const port = new URL(origin).port
  expect(Buffer.from(session, 'base64url').toString('latin1')).not.toContain(port)
})

test('without the option a client reads no header and sets no cookie', async () => {
  const [origin = ''] = await several()
  const rig = new Rig([origin], { sticky: undefined })
  let reads = 0
  const headers = {
    *[Symbol.iterator](): Generator<[string, string]> {
      reads++
      yield ['cookie', 'sid=1']
    },
  }
  expect((await rig.ask({ headers })).cookies).toEqual([])
  // Once to send them.
  expect(reads).toBe(1)
})

test('a connection is not needed to be refused: a session whose circuit is open goes elsewhere', async () => {
  const [good = ''] = await several()
  let broken = false
  const sick = await serve((_, response) => {
    response.statusCode = broken ? 500 : 200
    response.end('sick')
  })
  const rig = new Rig([sick], { breaker: { volumeThreshold: 2, resetMs: 60_000 }, panicThreshold: 0 })
  const { session } = await rig.ask()
  await rig.list([sick, good])
  broken = true
  for (let n = 0; n < 3; n++) await rig.with(session)
  await until(() => rig.client.inspect().endpoints[0]?.availability.state === 'unavailable')
  const moved = await rig.with(session)
  expect(moved).toMatchObject({ statusCode: 200, text: 'a' })
  expect(moved.session).not.toBe(session)
})
