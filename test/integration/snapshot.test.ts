import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, fixedResolver, type Client, type DiscoveryEvent } from '@fairlead/sdk'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { startAgentProxy } from '../support/agent-proxy.js'
import { built, Child } from '../support/child.js'
import { TestService } from '../support/consul/test-service.js'
import { startHttpServer } from '../support/http-server.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'

const agent = inject('consul').address

let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'fairlead-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true })
})

describe('writers that are killed', () => {
  const SERVICES = 4
  const KILLS = 8

  /** Who has written this set. Knows the form of a file by itself; throws where it is not whole. */
  function writerIn(text: string): string {
    const [head = '', content = ''] = text.split('\n')
    const sha256 = createHash('sha256').update(content).digest('hex')
    expect(JSON.parse(head)).toEqual({ version: 1, sha256 })
    const { service, instances } = JSON.parse(content) as {
      readonly service: string
      readonly instances: readonly { readonly meta: { readonly service: string; readonly round: string } }[]
    }
    expect(instances).toHaveLength(500)
    // Of one service and one round.
    expect(new Set(instances.map(({ meta }) => `${meta.service} ${meta.round}`)).size).toBe(1)
    expect(instances[0]?.meta.service).toBe(service)
    return instances[0]?.meta.round.split('.')[0] ?? ''
  }

  test('leave whole files, whenever that is', async () => {
    const folder = join(directory, 'killed')
    const files = async (ending: string): Promise<readonly string[]> => {
      const names = await readdir(folder).catch(() => [])
      return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name))
    }
    const torn: unknown[] = []
    let reads = 0
    /** Reads each file once; returns those that this writer has written. */
    const read = async (pid: string): Promise<readonly string[]> => {
      const own: string[] = []
      for (const path of await files('.json')) {
        try {
          if (writerIn(await readFile(path, 'utf8')) === pid) own.push(path)
        } catch (error) {
          torn.push(error)
        }
        reads++
      }
      return own
    }
    for (let kill = 0; kill < KILLS; kill++) {
      const program = built('test/dist/support/saving-program.js')
      await using writer = new Child(process.execPath, [program, folder, String(SERVICES)])
      const pid = (await writer.line(/^saving \d+/)).split(' ')[1] ?? ''
      await eventually(async () => (await read(pid)).length === SERVICES, { what: 'its set of each service' })
      // At another moment each time.
      const end = performance.now() + 7 * kill
      while (performance.now() < end) await read(pid)
      await writer.kill()
      await read(pid)
    }
    expect(torn).toEqual([])
    expect(reads).toBeGreaterThan(KILLS * SERVICES)
    // At least one process was killed while it wrote: otherwise this test shows nothing.
    expect((await files('.part')).length).toBeGreaterThan(0)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
  })
})

describe('a start without Consul', () => {
  const clientOf = (service: string, address: string): Client =>
    createClient(service, { consul: { address }, snapshot: { directory }, logger: quiet })

  /** A client that closes waits a second for its file; a disk that is busy may take longer. */
  const saved = (service: string, sets = 1): Promise<unknown> =>
    eventually(
      async () => {
        const names = await readdir(directory)
        return names.filter((name) => name.startsWith(service) && name.endsWith('.json')).length === sets
      },
      { what: `${sets} saved` },
    )

  test('is served from disk, and Consul has the last word when it comes', async () => {
    await using service = new TestService(agent)
    await using old = await startHttpServer()
    await using current = await startHttpServer()
    await service.add('old', { port: old.port })
    const proxy = await startAgentProxy(agent)
    const { address } = proxy
    const before = clientOf(service.name, address)
    await before.ready()
    await eventually(() => before.inspect().endpoints.length === 1, { what: 'the instance' })
    await saved(service.name)
    await before.close()
    await proxy[Symbol.asyncDispose]()

    await service.add('current', { port: current.port })
    await service.remove('old')
    await using client = clientOf(service.name, address)
    const heard: DiscoveryEvent[] = []
    client.onDiscovery((event) => heard.push(event))
    const { statusCode, body } = await client.request({ path: '/' })
    await body.dump()
    expect([statusCode, old.requests]).toEqual([200, 1])
    const { savedAt = NaN, freshness, endpoints } = client.inspect()
    expect({ freshness, origins: endpoints.map(({ origin }) => origin) }).toEqual({
      freshness: 'disk',
      origins: [old.origin],
    })
    expect(Math.abs(Date.now() - savedAt)).toBeLessThan(30_000)
    await eventually(() => client.inspect().reason?.includes('ECONNREFUSED'), { what: 'the reason' })
    expect(heard[0]).toMatchObject({ freshness: 'disk', since: savedAt })

    await using back = await startAgentProxy(agent, Number(new URL(address).port))
    await eventually(() => client.inspect().freshness === 'fresh', { what: 'freshness' })
    expect(back.queries.length).toBeGreaterThan(0)
    expect(client.inspect()).toMatchObject({ endpoints: [{ origin: current.origin }], retainedEndpoints: [] })
    expect(heard.at(-1)).toMatchObject({
      freshness: 'fresh',
      added: [{ origin: current.origin }],
      removed: [{ origin: old.origin }],
    })
  })

  test('another resolver of another name has nothing to do with it', async () => {
    await using service = new TestService(agent)
    await service.add('one', { port: 1 })
    const consul = clientOf(service.name, agent)
    await consul.ready()
    await saved(service.name)
    await consul.close()
    const resolver = fixedResolver(['http://127.0.0.1:2'])
    const fixed = createClient(service.name, { resolver, snapshot: { directory }, logger: quiet })
    await fixed.ready()
    await saved(service.name, 2)
    await fixed.close()
  })
})
