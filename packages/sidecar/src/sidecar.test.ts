import * as net from 'node:net'
import { networkInterfaces } from 'node:os'
import { FairleadError } from '@fairlead/sdk'
import type { FakeConsul } from '@fairlead/sdk/testing'
import { describe, expect, test } from 'vitest'
import { startSidecar, type Config } from './index.js'
import {
  CONFIG,
  Connection,
  quiet,
  UNREACHABLE,
  refusing,
  Rig,
  send,
  serve,
  serveRaw,
  startAgent,
  until,
} from './testing/rig.test.support.js'

async function refused(config: Partial<Config>, agent?: FakeConsul): Promise<FairleadError> {
  const starting = startSidecar({ ...CONFIG, consul: agent?.address, ...config }, quiet)
  const error: unknown = await starting.then(
    async (sidecar) => {
      await sidecar.stop()
      return undefined
    },
    (thrown: unknown) => thrown,
  )
  if (error instanceof FairleadError) return error
  throw new Error('it was not refused', { cause: error })
}

/** A watch begun by now holds its query before one that begins now does: so that is what is waited for. */
async function isNotWatched(agent: FakeConsul, service: string): Promise<void> {
  await Rig.start([], { services: ['probe'] }, agent)
  await until('the probe is watched', () => agent.holds('probe'))
  expect(agent.holds(service)).toBe(false)
}

describe('a sidecar that cannot start says why', () => {
  test.each(['listen', 'admin'])('the port of --%s is in use', async (option) => {
    const agent = await startAgent()
    const taken = await serveRaw(() => undefined)
    const free = await refusing()
    const other = option === 'listen' ? 'admin' : 'listen'
    const error = await refused(
      {
        services: ['orders'],
        [option]: { host: '127.0.0.1', port: taken.port },
        [other]: { host: '127.0.0.1', port: free.port },
      },
      agent,
    )
    expect(error.code).toBe('INVALID_OPTION')
    expect(error.message).toBe(
      `--${option} 127.0.0.1:${taken.port} is in use by another process: stop that process, or choose another port`,
    )
    // Nothing of it stays behind: neither the other server nor a watch.
    await expect(send(free.port)).rejects.toThrow('ECONNREFUSED')
    await isNotWatched(agent, 'orders')
  })

  test.each(['127.0.0.1', '::1', 'LocalHost'])(
    '--listen and --admin are the same place at %s',
    async (host) => {
      const agent = await startAgent()
      const { port } = await refusing()
      const error = await refused(
        { services: ['orders'], listen: { host, port }, admin: { host: host.toLowerCase(), port } },
        agent,
      )
      expect(error.code).toBe('INVALID_OPTION')
      const text = `${host === '::1' ? '[::1]' : host}:${port}`
      expect(error.message).toBe(`--listen and --admin are both ${text}: give one of them another port`)
      await isNotWatched(agent, 'orders')
    },
  )

  test('--listen is another name of what --admin is', async () => {
    const { port } = await refusing()
    const error = await refused({ listen: { host: '127.0.0.1', port }, admin: { host: '127.1', port } })
    expect(error.message).toBe(
      `--listen 127.0.0.1:${port} is in use, and --admin 127.1:${port} has the same port: choose another port for one of them`,
    )
  })

  test('an address that is not of this machine', async () => {
    // RFC 5737: for documentation, so no machine's.
    const error = await refused({ listen: { host: '192.0.2.1', port: 4140 } })
    expect(error.code).toBe('INVALID_OPTION')
    expect(error.message).toMatch(/^--listen 192\.0\.2\.1:4140 cannot be listened on: .*EADDRNOTAVAIL/)
  })

  test('an invalid service name: the watches begun before it end', async () => {
    const agent = await startAgent()
    const error = await refused({ services: ['orders', 'not a name'] }, agent)
    expect(error.code).toBe('INVALID_OPTION')
    expect(error.message).toContain("service is 'not a name': it must be the name of a Consul service")
    await isNotWatched(agent, 'orders')
  })

  test('more services than --max-services', async () => {
    const agent = await startAgent()
    const error = await refused({ services: ['a', 'b'], maxServices: 1 }, agent)
    expect(error.code).toBe('OVERLOADED')
    expect(error.message).toContain('--max-services is 1')
    await isNotWatched(agent, 'a')
  })

  test('an invalid address of Consul', async () => {
    const error = await refused({ consul: 'ftp://consul' })
    expect(error.code).toBe('INVALID_OPTION')
    expect(error.message).toContain("consul.address is 'ftp://consul': it must be http://host:port")
  })
})

test('says where it listens', async () => {
  const rig = await Rig.start([], { services: ['orders'] })
  const { address, adminAddress } = rig.sidecar
  expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
  expect(rig.log).toContainEqual({
    level: 'info',
    fields: { address, admin: adminAddress, services: ['orders'] },
    message: 'listening',
  })
})

const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
)

test.skipIf(!hasIPv6)('listens on IPv6', async () => {
  const rig = await Rig.start([], { listen: { host: '::1', port: 0 } })
  expect(rig.sidecar.address).toMatch(/^http:\/\/\[::1\]:\d+$/)
  expect((await fetch(rig.sidecar.address)).status).toBe(400)
})

describe('admin', () => {
  test('/healthz: the process is up', async () => {
    const rig = await Rig.start([])
    const answer = await rig.admin('/healthz')
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    expect(JSON.parse(answer.text)).toEqual({ healthy: true })
    expect(await rig.admin('/healthz', 'HEAD')).toMatchObject({ status: 200, text: '' })
  })

  test('/readyz: ready once every service of the configuration is known, be it without instances', async () => {
    const agent = await startAgent()
    agent.silence()
    const rig = await Rig.start([], { services: ['orders', 'payments'] }, agent)
    const before = await rig.admin('/readyz?verbose')
    expect(before.status).toBe(503)
    expect(JSON.parse(before.text)).toEqual({
      ready: false,
      draining: false,
      waiting: ['orders', 'payments'],
    })
    expect((await rig.admin('/healthz')).status).toBe(200)

    agent.speak()
    await until('ready', async () => (await rig.admin('/readyz')).status === 200)
    const after = await rig.admin('/readyz')
    expect(JSON.parse(after.text)).toEqual({ ready: true, draining: false, waiting: [] })
  })

  test('/readyz: not ready while Consul cannot be reached', async () => {
    const rig = await Rig.start([], { services: ['orders'], consul: UNREACHABLE })
    await until('that is known', async () => (await rig.inspect()).reason !== undefined)
    expect((await rig.admin('/readyz')).status).toBe(503)
    expect((await rig.inspect()).reason).toContain(`Consul at http://${UNREACHABLE} could not be reached`)
  })

  test('/readyz: ready without services in the configuration', async () => {
    const rig = await Rig.start([])
    expect((await rig.admin('/readyz')).status).toBe(200)
  })

  test('/endpoints: every service, its instances, their load and state', async () => {
    const upstream = await serve((_, response) => response.end())
    const rig = await Rig.start([upstream], { services: ['payments'] })
    await rig.send()
    await rig.idle()
    const answer = await rig.admin('/endpoints')
    expect(answer.status).toBe(200)
    expect(answer.headers['content-type']).toBe('application/json')
    expect((JSON.parse(answer.text) as { services: object[] }).services).toEqual([
      expect.objectContaining({ service: 'payments', endpoints: [] }),
      expect.objectContaining({
        service: 'orders',
        resolver: `Consul at ${rig.agent.address}`,
        freshness: 'fresh',
        endpoints: [
          {
            key: `node-1/orders-${upstream.port}@127.0.0.1:${upstream.port}`,
            registrations: [`node-1/orders-${upstream.port}@127.0.0.1:${upstream.port}`],
            origin: `http://127.0.0.1:${upstream.port}`,
            weight: 1,
            priority: 0,
            datacenter: 'dc1',
            inflight: 0,
            connections: 1,
            latencyMs: expect.any(Number) as number,
            availability: { state: 'available', panic: 'none' },
            requests: 1,
            failures: 0,
          },
        ],
      }),
    ])
  })

  test('layers stand before the balancer of every service', async () => {
    const upstreams = await Promise.all([1, 2, 3].map(() => serve((_, response) => response.end())))
    const subset = { size: 1, id: 'this host' }
    const rig = await Rig.start(upstreams, { layers: { subset, zone: undefined, slowStartMs: undefined } })
    for (let n = 0; n < 6; n++) await rig.send()
    await rig.idle()
    const requests = (await rig.inspect()).endpoints.map((endpoint) => endpoint.requests)
    // Without them they take turns.
    expect([...requests].sort()).toEqual([0, 0, 6])
  })

  test('/explain: why a request would go where it goes', async () => {
    const upstream = await serve((_, response) => response.end())
    const rig = await Rig.start([upstream])
    expect(await rig.admin('/explain')).toMatchObject({ status: 400 })
    expect(await rig.admin('/explain?service=orders')).toMatchObject({ status: 404 })
    await rig.send()
    const { status, text } = await rig.admin('/explain?service=orders&path=/v1/orders/42&key=ann')
    expect(status).toBe(200)
    expect(JSON.parse(text)).toMatchObject({
      service: 'orders',
      picked: { origin: `http://127.0.0.1:${upstream.port}` },
      steps: ['next in rotation'],
      hash: expect.stringMatching(/^[\da-f]{16}$/) as string,
    })
  })

  test.each(['/', '/nope', '/healthz/', '/__proto__', '/constructor', '//healthz'])(
    '%s: 404',
    async (path) => {
      const rig = await Rig.start([])
      const answer = await rig.admin(path)
      expect(answer.status).toBe(404)
      expect(answer.text).toContain('/healthz, /readyz, /endpoints')
    },
  )

  test.each(['POST', 'PUT', 'DELETE'])('%s: 405', async (method) => {
    const rig = await Rig.start([])
    const answer = await rig.admin('/healthz', method)
    expect(answer.status).toBe(405)
    expect(answer.headers.allow).toBe('GET, HEAD')
    expect(answer.text).toContain(`${method} is not supported: use GET`)
  })
})

test('names that an application makes up fill no log: five of a kind have a line, the others are counted', async () => {
  const rig = await Rig.start([], { maxServices: 40 })
  const names = Array.from({ length: 40 }, (_, index) => `made-up-${index}`)
  const answers = await Promise.all(names.map((host) => rig.send({ headers: { host } })))
  expect(answers.map(({ status }) => status)).toEqual(names.map(() => 503))
  const warnings = rig.log.filter(({ level }) => level === 'warn')
  // Of the services, and of the requests to them.
  expect(warnings.filter(({ message }) => /^made-up-\d+ has no instance/.test(message))).toHaveLength(5)
  expect(warnings.filter(({ fields }) => fields['status'] === 503)).toHaveLength(5)
  expect(warnings).toHaveLength(10)
})

test('300 broken requests fill no log: one line, and counts', async () => {
  const rig = await Rig.start([])
  const admin = Number(new URL(rig.sidecar.adminAddress).port)
  for (let index = 0; index < 300; index++) {
    await new Connection(index % 2 === 0 ? rig.port : admin, 'nonsense\r\n\r\n').end()
  }
  const warnings = rig.log.filter(({ level }) => level === 'warn')
  expect(warnings.filter(({ fields }) => !('repeats' in fields))).toMatchObject([
    { fields: { status: 400, code: 'BAD_REQUEST' } },
  ])
})

test('a connection that says nothing does not keep others waiting', async () => {
  const rig = await Rig.start([await serve((_, response) => response.end('hi'))])
  const silent = net.connect(rig.port, '127.0.0.1')
  try {
    expect((await rig.send()).text).toBe('hi')
  } finally {
    silent.destroy()
  }
})
