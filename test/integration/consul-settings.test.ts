import { X509Certificate, randomUUID } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import { createToken, deleteToken } from '../support/consul/acl.js'
import { AgentRefused, ask } from '../support/consul/agent-access.js'
import { leaderOf, query } from '../support/consul/agent-api.js'
import { CertificateAuthority } from '../support/consul/certificates.js'
import { deleteConfigEntry, writeConfigEntry } from '../support/consul/config-entries.js'
import type { OwnAgent } from '../support/consul/own-agent.js'
import { startOwnConsul } from '../support/consul/own-consul.js'
import { deregister, health, register, uniqueService } from '../support/consul/registry.js'
import { TestService } from '../support/consul/test-service.js'
import { eventually } from '../support/poll.js'
import { TempFolder } from '../support/temp-folder.js'

// Groups run at once, as each has agents of its own; within a group its tests take turns.
const inTurn = { concurrent: false } as const

describe.concurrent('ACLs', () => {
  let consul: OwnAgent
  beforeAll(async () => {
    consul = await startOwnConsul({ managementToken: randomUUID() })
    return () => consul.close()
  })

  test('nothing is granted without a token, and everything with the first', inTurn, async () => {
    const name = uniqueService('orders')
    const registration = { id: name, name, port: 8080 }
    await expect(register(consul.address, registration)).rejects.toThrow(': 403 ')
    await register(consul, registration)
    expect(await health(consul, name)).toHaveLength(1)
    expect(await health(consul.address, name)).toEqual([])
    await deregister(consul, name)
    expect(await health(consul, name)).toEqual([])
  })

  test('a token grants what its rules say, until it is deleted', inTurn, async () => {
    await using orders = new TestService(consul)
    await orders.add('a', { port: 8080 })
    const rules = `service "${orders.name}" { policy = "read" } node_prefix "" { policy = "read" }`
    const token = await createToken(consul, { rules })
    const reader = { address: consul.address, token: token.secretId }
    expect(await health(reader, orders.name)).toHaveLength(1)
    expect(await health(reader, 'consul')).toEqual([])
    await expect(deregister(reader, `${orders.name}-a`)).rejects.toMatchObject({ statusCode: 403 })

    await deleteToken(consul, token)
    await expect(query(reader, `health/service/${orders.name}`)).rejects.toThrow(': 403 ')
  })

  test('a token expires after a minute or more, as Consul has it', inTurn, async () => {
    await expect(createToken(consul, { rules: '', expirationTtlMs: 59_000 })).rejects.toThrow(AgentRefused)
    const { secretId } = await createToken(consul, { rules: '', expirationTtlMs: 90_000 })
    const self = await query({ address: consul.address, token: secretId }, 'acl/token/self')
    const leftMs = Date.parse((self as { ExpirationTime: string }).ExpirationTime) - Date.now()
    expect(leftMs).toBeGreaterThan(60_000)
    expect(leftMs).toBeLessThanOrEqual(90_000)
  })

  test('the agent may write its own node', inTurn, async () => {
    const addresses = async (): Promise<unknown> => {
      const [node] = (await query(consul, 'catalog/nodes')) as { TaggedAddresses: unknown }[]
      return node?.TaggedAddresses
    }
    expect(await eventually(addresses, { what: 'the addresses of the node' })).toMatchObject({
      lan: '127.0.0.1',
    })
  })
})

describe.concurrent('TLS', () => {
  let authority: CertificateAuthority
  let stranger: CertificateAuthority
  let consul: OwnAgent
  beforeAll(async () => {
    authority = await CertificateAuthority.create()
    stranger = await CertificateAuthority.create()
    consul = await startOwnConsul({ tls: { authority, verifyIncoming: true } })
    return async () => {
      await consul.close()
      await authority[Symbol.asyncDispose]()
      await stranger[Symbol.asyncDispose]()
    }
  })

  test('with verifyIncoming, only who has a certificate of the authority is served', inTurn, async () => {
    expect(consul.address).toMatch(/^https:\/\/127\.0\.0\.1:/)
    const name = uniqueService('orders')
    await register(consul, { id: name, name, port: 8080 })
    expect(await health(consul, name)).toHaveLength(1)
    await expect(leaderOf(consul.address.replace('https', 'http'))).rejects.toThrow()

    const { caFile } = authority
    await expect(leaderWithout(consul.address, caFile)).rejects.toThrow()
    const tls = { ...(await stranger.issue('client')), caFile }
    await expect(leaderOf({ address: consul.address, tls })).rejects.toThrow()
  })

  test(
    'a certificate that takes the place of another is accepted, one that has expired is not',
    inTurn,
    async () => {
      const tls = await authority.issue('client', { validForMs: -1_000 })
      const access = { address: consul.address, tls }
      await expect(leaderOf(access)).rejects.toThrow()
      const { serialNumber } = new X509Certificate(await readFile(tls.certFile))
      expect(await authority.issue('client')).toEqual(tls)
      expect(new X509Certificate(await readFile(tls.certFile)).serialNumber).not.toBe(serialNumber)
      expect(await leaderOf(access)).not.toBe('')
    },
  )

  test('without verifyIncoming, who trusts the authority needs no certificate', inTurn, async () => {
    await using open = await startOwnConsul({ tls: { authority } })
    expect(await leaderWithout(open.address, authority.caFile)).toBe(200)
    await expect(leaderWithout(open.address, stranger.caFile)).rejects.toThrow('certificate')
    await open.kill()
    await open.start()
    expect(await leaderOf(open)).not.toBe('')
  })
})

describe.concurrent('a socket, a zone, Connect and DNS', () => {
  let folder: TempFolder
  let socketPath: string
  let consul: OwnAgent
  beforeAll(async () => {
    folder = await TempFolder.create('fairlead-socket-')
    socketPath = join(folder.path, 'consul.sock')
    const config = { node_meta: { zone: 'a' }, connect: { enabled: true } }
    consul = await startOwnConsul({ socketPath, config })
    return async () => {
      await consul.close()
      await folder[Symbol.asyncDispose]()
    }
  })

  test.for(['stop', 'kill'] as const)(
    'the socket serves as well as the port, also after %s',
    inTurn,
    async (end) => {
      await consul[end]()
      await consul.start()
      expect(await leaderThrough(socketPath)).toBe(await leaderOf(consul))
      expect(await leaderOf(consul)).not.toBe('')
    },
  )

  test('the zone is in the meta of the node', inTurn, async () => {
    const [entry] = (await query(consul, 'health/service/consul')) as { Node: { Meta: unknown } }[]
    expect(entry?.Node.Meta).toMatchObject({ zone: 'a' })
  })

  test('a configuration entry makes a discovery chain', inTurn, async () => {
    const name = uniqueService('orders')
    const Subsets = { v2: { Filter: 'Service.Meta.version == v2', OnlyPassing: true } }
    await writeConfigEntry(consul, { Kind: 'service-resolver', Name: name, DefaultSubset: 'v2', Subsets })
    const start = async (): Promise<string> => {
      const chain = await query(consul, `discovery-chain/${name}`)
      return (chain as { Chain: { StartNode: string } }).Chain.StartNode
    }
    // Of namespaces and partitions each version says what it has: v2.orders.default.dc1, v2.orders.default.default.dc1.
    expect(await start()).toMatch(new RegExp(`^resolver:v2\\.${name}\\.(default\\.)+dc1$`))
    await deleteConfigEntry(consul, { Kind: 'service-resolver', Name: name })
    expect(await start()).toMatch(new RegExp(`^resolver:${name}\\.(default\\.)+dc1$`))
    await expect(
      writeConfigEntry(consul, { Kind: 'service-resolver', Name: name, DefaultSubset: 'v9' }),
    ).rejects.toThrow(AgentRefused)
  })

  test('DNS answers for what is registered', inTurn, async () => {
    await using orders = new TestService(consul)
    await orders.add('a', { port: 8080, weights: { passing: 7, warning: 1 } })
    const resolver = new Resolver({ timeout: 2_000, tries: 1 })
    resolver.setServers([`${consul.host}:${consul.ports.dns}`])
    const domain = `${orders.name}.service.consul`
    const [record] = await eventually(() => resolver.resolveSrv(domain), { what: 'an SRV record' })
    expect(record).toMatchObject({ port: 8080, weight: 7 })
    expect(await resolver.resolve4(domain)).toEqual(['127.0.0.1'])
  })
})

test.concurrent(
  'wipe brings the agent back as the same node on the same ports, with an empty catalog',
  async () => {
    await using consul = await startOwnConsul()
    const { address } = consul
    const name = uniqueService('orders')
    for (let index = 0; index < 20; index++)
      await register(consul, { id: `${name}-${index}`, name, port: 8080 })
    await eventually(async () => (await health(consul, name)).length === 20, { what: 'all entries' })
    const before = { index: await indexOf(consul), node: await nodeId(consul) }

    await consul.wipe()
    expect(consul.address).toBe(address)
    expect(await health(consul, name)).toEqual([])
    expect(await query(consul, 'agent/services')).toEqual({})
    expect(await indexOf(consul)).toBeLessThan(before.index)
    expect(await nodeId(consul)).toBe(before.node)
    await register(consul, { id: name, name, port: 8080 })
    await eventually(async () => (await health(consul, name)).length === 1, { what: 'the entry' })
  },
)

// Alone, as what is set is a matter of the whole process.
test('FAIRLEAD_CONSUL cannot ask for an agent of someone else', async ({ onTestFinished }) => {
  const forced = process.env['FAIRLEAD_CONSUL']
  onTestFinished(() => {
    if (forced === undefined) delete process.env['FAIRLEAD_CONSUL']
    else process.env['FAIRLEAD_CONSUL'] = forced
  })
  process.env['FAIRLEAD_CONSUL'] = 'external'
  await expect(startOwnConsul()).rejects.toThrow('what runs here takes only container, process')
})

/** The status of an answer to who trusts the authority of `caFile`, and has no certificate. */
async function leaderWithout(address: string, caFile: string): Promise<number> {
  const dispatcher = new Agent({ connect: { ca: await readFile(caFile, 'utf8') } })
  try {
    const { statusCode, body } = await request(`${address}/v1/status/leader`, { dispatcher })
    await body.dump()
    return statusCode
  } finally {
    await dispatcher.destroy()
  }
}

async function leaderThrough(socketPath: string): Promise<unknown> {
  const dispatcher = new Agent({ connect: { socketPath } })
  try {
    const { body } = await request('http://consul/v1/status/leader', { dispatcher })
    return await body.json()
  } finally {
    await dispatcher.destroy()
  }
}

async function indexOf({ address }: OwnAgent): Promise<number> {
  const response = await fetch(`${address}/v1/catalog/services`)
  await response.arrayBuffer()
  return Number(response.headers.get('x-consul-index'))
}

async function nodeId(consul: OwnAgent): Promise<string> {
  const self = JSON.parse(await ask(consul, 'agent/self')) as { Config: { NodeID: string } }
  return self.Config.NodeID
}
