import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, type Client, type ClientOptions } from '@fairlead/sdk'
import { describe, expect, test } from 'vitest'
import { loadOn } from '../support/client-load.js'
import { createToken, deleteToken } from '../support/consul/acl.js'
import { CertificateAuthority } from '../support/consul/certificates.js'
import { startOwnConsul } from '../support/consul/own-consul.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'
import { TempFolder } from '../support/temp-folder.js'

const rules = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'

async function served(client: Client): Promise<void> {
  const { statusCode, body } = await client.request({ path: '/' })
  await body.dump()
  expect(statusCode).toBe(200)
}

function clientOf({ name }: TestService, consul: ClientOptions['consul']): Client {
  return createClient(name, { consul, logger: quiet })
}

// At once: each test has a Consul of its own, and waits for it most of the time.
describe.concurrent('ACLs', () => {
  test('a token that is deleted under load costs nothing, and its successor in the file is taken', async () => {
    await using consul = await startOwnConsul({ managementToken: randomUUID() })
    await using service = new TestService(consul)
    await using server = await startHttpServer()
    await using folder = await TempFolder.create('fairlead-token-')
    await service.add('a', { port: server.port })
    const tokenFile = join(folder.path, 'token')
    const first = await createToken(consul, { rules })
    await writeFile(tokenFile, `${first.secretId}\n`)
    // The agent holds a query of a deleted token to its end, so that the wait decides when it is noticed.
    const { address } = consul
    await using client = clientOf(service, { address, tokenFile, waitMs: 1000 })
    await served(client)
    const load = loadOn(client)
    try {
      await deleteToken(consul, first)
      await eventually(() => client.inspect().freshness === 'stale', { what: 'that the set is stale' })
      expect(client.inspect().reason).toMatch(
        /answered 403 .*(Consul has no such token|needs service:read and node:read)/,
      )

      const second = await createToken(consul, { rules })
      await writeFile(tokenFile, second.secretId)
      await eventually(() => client.inspect().freshness === 'fresh', { what: 'freshness' })
      await using later = await startHttpServer()
      await service.add('later', { port: later.port })
      await eventually(() => later.requests > 0, { what: 'load on the one registered later' })
      await load.stop()
      expect(load.failures).toEqual([])
    } finally {
      await load.stop()
    }
  })

  test('a token may come as a Bearer, and none sees nothing', async () => {
    await using consul = await startOwnConsul({ managementToken: randomUUID() })
    await using service = new TestService(consul)
    await using server = await startHttpServer()
    await service.add('a', { port: server.port })
    const { secretId: token } = await createToken(consul, { rules })
    const { address } = consul
    await using client = clientOf(service, { address, token, bearer: true })
    await served(client)
    await using anonymous = clientOf(service, { address })
    await anonymous.ready()
    expect(anonymous.inspect().endpoints).toEqual([])
    // 1.8.7 does not say what its ACLs deny: there it may be a fact, and the hint is no more than that.
    const saysPolicy = consul.version !== '1.8.7'
    expect(anonymous.inspect().suspect ?? '').toMatch(saysPolicy ? /^no token: set CONSUL_HTTP_TOKEN/ : /^$/)
    await expect(anonymous.request({ path: '/' })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: expect.stringMatching(
        /knows no instance of that name \(no token: set CONSUL_HTTP_TOKEN/,
      ) as string,
    })
    await using unknown = clientOf(service, { address, token: randomUUID() })
    await expect(unknown.request({ path: '/', timeoutMs: 1000 })).rejects.toMatchObject({
      code: 'NO_ENDPOINTS',
      message: expect.stringMatching(
        /answered 403 .*(Consul has no such token|needs service:read and node:read)/,
      ) as string,
    })
  })
})

describe.concurrent('TLS', () => {
  test('required of both sides; a rotated certificate is taken without a failed request', async () => {
    await using authority = await CertificateAuthority.create()
    await using consul = await startOwnConsul({ tls: { authority, verifyIncoming: true } })
    await using service = new TestService(consul)
    await using server = await startHttpServer()
    await service.add('a', { port: server.port })
    const { address } = consul
    const tls = await authority.issue('orders-client')
    await using client = clientOf(service, { address, tls, waitMs: 1000 })
    await served(client)
    const load = loadOn(client)
    try {
      await authority.issue('orders-client')
      await using later = await startHttpServer()
      await service.add('later', { port: later.port })
      await eventually(() => later.requests > 0, { what: 'load on the one registered later' })
      await load.stop()
      expect(load.failures).toEqual([])
      expect(client.inspect().freshness).toBe('fresh')
    } finally {
      await load.stop()
    }
  })

  test('what is wrong is said: no certificate, another authority, plain HTTP', async () => {
    await using authority = await CertificateAuthority.create()
    await using other = await CertificateAuthority.create()
    await using consul = await startOwnConsul({ tls: { authority, verifyIncoming: true } })
    await using service = new TestService(consul)
    const { address } = consul
    const certificate = await authority.issue('orders-client')
    const cases: readonly [ClientOptions['consul'], RegExp][] = [
      [
        { address, tls: { caFile: authority.caFile } },
        /could not be reached: .*(closed|reset|certificate|alert)/i,
      ],
      [
        { address, tls: { ...certificate, caFile: other.caFile } },
        /could not be reached: .*(self.signed|unable to)/i,
      ],
      [{ address: address.replace('https', 'http') }, /(400|could not be reached)/],
      [
        { address, tls: { ...certificate, keyFile: '/nowhere/key.pem' } },
        /the TLS file \/nowhere\/key.pem cannot be read/,
      ],
    ]
    for (const [options, said] of cases) {
      await using client = clientOf(service, options)
      await eventually(() => client.inspect().reason !== undefined, { what: 'a reason' })
      expect(client.inspect().reason).toMatch(said)
    }
  })
})

test.concurrent('an agent on a unix socket', async () => {
  await using folder = await TempFolder.create('fairlead-socket-')
  const socketPath = join(folder.path, 'consul.sock')
  await using consul = await startOwnConsul({ socketPath })
  await using service = new TestService(consul)
  await using server = await startHttpServer()
  await service.add('a', { port: server.port })
  await using client = clientOf(service, { address: `unix://${socketPath}` })
  await served(client)
  await using second = await startHttpServer()
  await service.add('b', { port: second.port })
  await eventually(() => client.inspect().endpoints.length === 2, { what: 'the change' })
})
