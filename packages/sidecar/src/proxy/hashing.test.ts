import { discoveryChain } from '@fairlead/sdk/testing'
import { describe, expect, test } from 'vitest'
import { Rig, serve, startAgent, type Instance, type Sending } from '../testing/rig.test.support.js'
import type { Config } from '../index.js'

/** An instance that answers with its name. */
const named = (name: string): Promise<Instance> => serve((_, response) => response.end(name))

const five = (): Promise<Instance[]> => Promise.all(['a', 'b', 'c', 'd', 'e'].map(named))

/** A sidecar before five instances; `entry`: the load balancer of a service-resolver. */
async function sidecar(config: Partial<Config>, entry?: object): Promise<Rig> {
  const agent = await startAgent()
  if (entry !== undefined) agent.configure('orders', discoveryChain('orders', { loadBalancer: entry }))
  return Rig.start(await five(), config, agent)
}

interface Request extends Omit<Sending, 'headers'> {
  readonly headers?: readonly string[]
}

/** Who answers. */
async function asked(rig: Rig, { headers = [], ...rest }: Request): Promise<string> {
  const { status, text } = await rig.send({ ...rest, headers: ['host', 'orders', ...headers] })
  expect(status, text).toBe(200)
  return text
}

const NUMBERS = Array.from({ length: 30 }, (_, index) => index + 1)

/** Sends the requests of every key, one after the other: each key has one instance, and not all have the same. */
async function expectKeys(rig: Rig, requests: (key: number) => readonly Request[]): Promise<void> {
  const everyone = new Set<string>()
  for (const key of NUMBERS) {
    const instances = new Set<string>()
    for (const request of requests(key)) instances.add(await asked(rig, request))
    expect([...instances], `the instances of key ${key}`).toHaveLength(1)
    for (const instance of instances) everyone.add(instance)
  }
  // All five, but for one run in 200: ports differ, and so do the instances of keys. Two or less: one in 10^11.
  expect(everyone.size).toBeGreaterThan(2)
}

/** Sends one request over and over: it goes to all instances. */
async function expectSpread(rig: Rig, request: Request): Promise<void> {
  const everyone = new Set<string>()
  for (let n = 0; n < 100; n++) everyone.add(await asked(rig, request))
  expect(everyone.size).toBe(5)
}

const user = (name: string | number): Request => ({ headers: ['x-user', String(name)] })
const forwardedFor = (...list: readonly string[]): Request => ({
  headers: list.flatMap((each) => ['X-Forwarded-For', each]),
})

describe.each(['ring_hash', 'maglev'] as const)('%s', (balancer) => {
  test('requests of one header go to one instance, and those without it to any', async () => {
    const rig = await sidecar({ balancer, hashOn: [{ header: 'X-User' }] })
    await expectKeys(rig, (key) => [user(key), { ...user(key), path: '/other', localAddress: '127.0.0.2' }])
    await expectSpread(rig, { headers: ['x-users', '1'] })
  })
})

const balancer = 'maglev'

test('without --hash-on no request has a key', async () => {
  await expectSpread(await sidecar({ balancer }), user('ann'))
})

test('a header that is there twice counts in any order', async () => {
  const rig = await sidecar({ balancer, hashOn: [{ header: 'x-user' }] })
  await expectKeys(rig, (key) => [
    { headers: ['x-user', `${key}`, 'X-User', 'b'] },
    { headers: ['X-USER', 'b', 'x-user', `${key}`] },
  ])
})

test('a cookie is the same with quotes and without', async () => {
  const rig = await sidecar({ balancer, hashOn: [{ cookie: 'sid' }] })
  await expectKeys(rig, (key) => [
    { headers: ['cookie', `sid=${key}`] },
    { headers: ['cookie', `a=1; sid="${key}"; b=2`] },
    { headers: ['cookie', 'a=1', 'cookie', `sid=${key}`] },
  ])
  await expectSpread(rig, { headers: ['cookie', 'SID=1; xsid=1; sid=""'] })
})

test('a query parameter, wherever it stands', async () => {
  const rig = await sidecar({ balancer, hashOn: [{ queryParameter: 'user' }] })
  await expectKeys(rig, (key) => [{ path: `/?user=${key}` }, { path: `/other?a=1&user=${key}&user=2` }])
  await expectSpread(rig, { path: '/?users=1' })
})

test('the path without its query', async () => {
  const rig = await sidecar({ balancer, hashOn: [{ pathname: true }] })
  await expectKeys(rig, (key) => [
    { path: `/v1/${key}` },
    { path: `/v1/${key}?` },
    { path: `/v1/${key}?q=/${key}?` },
    { path: `http://orders/v1/${key}?q=1` },
  ])
})

describe('source_ip', () => {
  const config = { balancer, hashOn: [{ sourceIp: true }] } as const

  test('is the last address of X-Forwarded-For, whatever address connects', async () => {
    await expectKeys(await sidecar(config), (key) => [
      forwardedFor(`10.0.0.${key}`),
      { ...forwardedFor(`192.0.2.${key}, 10.0.0.${key}`), localAddress: '127.0.0.2' },
      forwardedFor(`192.0.2.1, 192.0.2.${key}`, `10.0.0.${key}`),
      forwardedFor(`::ffff:10.0.0.${key}`),
    ])
  })

  test('is absent for the requests of the application beside it, which go to any', async () => {
    const rig = await sidecar(config)
    await expectSpread(rig, {})
    await expectSpread(rig, forwardedFor('unknown'))
  })

  test('is known as well of requests that wait for discovery', async () => {
    const rig = await sidecar(config)
    const requests = NUMBERS.map((key) => forwardedFor(`10.0.0.${key}`))
    const first = await Promise.all(requests.map((request) => asked(rig, request)))
    for (const [index, request] of requests.entries()) expect(await asked(rig, request)).toBe(first[index])
    expect(new Set(first).size).toBeGreaterThan(2)
  })
})

describe("Consul's service-resolver", () => {
  const byUser = { Field: 'header', FieldValue: 'x-user' }
  const own = { balancer: undefined }

  test('says what to go by, also SourceIP', async () => {
    const rig = await sidecar(own, { Policy: 'ring_hash', HashPolicies: [{ SourceIP: true }] })
    await expectKeys(rig, (key) => [
      forwardedFor(`10.0.0.${key}`),
      { ...forwardedFor(`10.0.0.${key}`), path: '/a' },
    ])
  })

  test('says where it ends', async () => {
    const entry = { Policy: 'maglev', HashPolicies: [{ ...byUser, Terminal: true }, { SourceIP: true }] }
    const rig = await sidecar(own, entry)
    const from = (key: number): readonly string[] => ['x-forwarded-for', `10.0.0.${key}`]
    await expectKeys(rig, (key) =>
      [1, 2, 3, 4, 5].map((address) => ({ headers: ['x-user', `${key}`, ...from(address)] })),
    )
    await expectKeys(rig, (key) => [{ headers: from(key) }, { headers: from(key), path: '/a' }])
  })

  test('has no say in it where --hash-on is given', async () => {
    const rig = await sidecar(
      { ...own, hashOn: [{ sourceIp: true }] },
      { Policy: 'maglev', HashPolicies: [byUser] },
    )
    await expectKeys(rig, (key) =>
      [1, 2, 3, 4, 5].map((name) => ({ headers: ['x-user', `${name}`, 'x-forwarded-for', `10.0.0.${key}`] })),
    )
  })

  test('says what to go by also where --balancer is given', async () => {
    const rig = await sidecar({ balancer }, { Policy: 'ring_hash', HashPolicies: [byUser] })
    await expectKeys(rig, (key) => [user(key), { ...user(key), path: '/a' }])
  })
})
