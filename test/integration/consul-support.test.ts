import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { folders, leftovers, processes, refuses, untilNothingIsLeft } from '../support/consul/leftovers.js'
import { deregister, health, maintenance, register, uniqueService } from '../support/consul/registry.js'
import { startConsul } from '../support/consul/start-consul.js'
import { eventually } from '../support/poll.js'
import { TempFolder } from '../support/temp-folder.js'

const own = { kinds: ['container', 'process'] } as const
const root = join(import.meta.dirname, '..', '..')

// Each has an agent of its own, and waits for it most of the time.
describe.concurrent('an agent of our own', () => {
  test('serves what is registered, with weights, checks, tags and meta', async () => {
    await using consul = await startConsul(own)
    const name = uniqueService('orders')
    await register(consul.address, {
      id: `${name}-1`,
      name,
      port: 8080,
      address: '127.0.0.1',
      weights: { passing: 7, warning: 2 },
      check: { TTL: '60s', Status: 'warning' },
      meta: { zone: 'a' },
      tags: ['v2'],
    })
    const entry = await eventually(async () => (await health(consul.address, name))[0], { what: 'the entry' })
    expect(entry.Node.Node).toBe('fairlead')
    expect(entry.Service).toMatchObject({
      ID: `${name}-1`,
      Address: '127.0.0.1',
      Port: 8080,
      Weights: { Passing: 7, Warning: 2 },
      Meta: { zone: 'a' },
      Tags: ['v2'],
    })
    expect(entry.Checks.map((check) => check.Status)).toContain('warning')
  })

  test('maintenance adds a critical check, and deregistering empties the service', async () => {
    await using consul = await startConsul(own)
    const name = uniqueService('orders')
    await register(consul.address, { id: name, name, port: 8080 })
    await maintenance(consul.address, name, true, 'deploy')
    const critical = async (): Promise<boolean> =>
      (await health(consul.address, name)).some((entry) =>
        entry.Checks.some((check) => check.Status === 'critical'),
      )
    await eventually(critical, { what: 'the maintenance check' })
    await maintenance(consul.address, name, false)
    await eventually(async () => !(await critical()), { what: 'the end of maintenance' })
    await deregister(consul.address, name)
    await eventually(async () => (await health(consul.address, name)).length === 0, { what: 'no instance' })
  })

  test.for(['stop', 'kill'] as const)('after %s, start brings back address and services', async (end) => {
    await using consul = await startConsul(own)
    const name = uniqueService('orders')
    await register(consul.address, { id: name, name, port: 8080, weights: { passing: 3, warning: 1 } })
    await eventually(async () => (await health(consul.address, name))[0], { what: 'the entry' })

    const { address } = consul
    await consul[end]()
    expect(await refuses(address)).toBe(true)
    await consul.start()

    expect(consul.address).toBe(address)
    const [entry] = await health(address, name)
    expect(entry?.Service.Weights).toEqual({ Passing: 3, Warning: 1 })
    // The agent has the service too, not only the catalog that its server kept.
    const services = await fetch(`${address}/v1/agent/services`)
    expect(await services.json()).toHaveProperty(name)
  })

  test('start waits for its port, if someone took it meanwhile', async () => {
    await using consul = await startConsul(own)
    await consul.stop()
    const thief = createServer().listen(Number(new URL(consul.address).port), '127.0.0.1')
    await once(thief, 'listening')
    const starting = consul.start()
    await eventually(async () => (await processes(consul.address)).length > 0, { what: 'a first attempt' })
    await eventually(async () => (await processes(consul.address)).length === 0, { what: 'its end' })
    thief.close()
    await starting
    expect(await refuses(consul.address)).toBe(false)
  })

  test('a configuration of the caller goes over ours', async () => {
    await using consul = await startConsul({ ...own, config: { node_name: 'elsewhere' } })
    const response = await fetch(`${consul.address}/v1/agent/self`)
    expect(await response.json()).toMatchObject({ Config: { NodeName: 'elsewhere' } })
  })
})

describe.concurrent('a host that does not close its agent', () => {
  let program: string
  let build: string
  beforeAll(async () => {
    // Compiled here, so that the test does not depend on a build, nor on how old it is.
    await mkdir(join(root, '.cache'), { recursive: true })
    build = await mkdtemp(join(root, '.cache', 'hold-consul-'))
    const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '..', 'bin', 'tsc')
    const flags = '--ignoreConfig --module nodenext --target es2023 --types node --skipLibCheck'.split(' ')
    const source = join(root, 'test', 'support', 'consul', 'hold-consul.ts')
    const where = ['--rootDir', join(root, 'test'), '--outDir', build]
    await promisify(execFile)(process.execPath, [tsc, ...flags, ...where, source])
    program = join(build, 'support', 'consul', 'hold-consul.js')
  })
  afterAll(() => rm(build, { recursive: true, force: true }))

  test.for([
    ['SIGKILL', 'agent'],
    ['SIGTERM', 'agent'],
    ['SIGINT', 'agent'],
    ['SIGKILL', 'cluster'],
  ] as const)('dies of %s, and its %s with it', async ([signal, what]) => {
    await using scratch = await TempFolder.create('consul-support-')
    const host = spawn(process.execPath, [program, what], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: scratch.path },
    })
    const ended = once(host, 'exit')
    const failed = ended.then(() => Promise.reject(new Error('the host ended before it had an agent')))
    const [output] = (await Promise.race([once(host.stdout, 'data'), failed])) as [Buffer]
    const addresses = output.toString().trim().split(' ')
    for (const address of addresses) expect(await refuses(address)).toBe(false)

    host.kill(signal)
    expect(await ended).toEqual([null, signal])
    for (const address of addresses) {
      await eventually(() => refuses(address), { what: 'the end of the agent' })
      await untilNothingIsLeft(scratch.path, address)
    }
  })
})

// One after the other: where data folders go is a matter of the whole process.
describe('what is left behind, and what is not ours', () => {
  // Data folders go below one of our own, so that whatever is left behind can be seen.
  let scratch: string
  beforeEach(async () => {
    const folder = await TempFolder.create('consul-support-')
    scratch = folder.path
    vi.stubEnv('TMPDIR', scratch)
    return async () => {
      vi.unstubAllEnvs()
      await folder[Symbol.asyncDispose]()
    }
  })

  test('close leaves neither agent nor data, and can be called again', async () => {
    await using consul = await startConsul(own)
    expect(await leftovers(scratch, consul.address)).not.toEqual([])
    await consul.close()
    await consul.close()
    expect(await refuses(consul.address)).toBe(true)
    await untilNothingIsLeft(scratch, consul.address)
    await expect(consul.start()).rejects.toThrow()
  })

  test('a configuration that Consul rejects is an error with the log, and leaves nothing', async () => {
    await expect(startConsul({ ...own, config: { no_such_key: true } })).rejects.toThrow(/no_such_key/)
    expect(await folders(scratch)).toEqual([])
  })

  test('an aborted start leaves nothing', async () => {
    const starting = startConsul({ ...own, signal: AbortSignal.timeout(300) })
    await expect(starting).rejects.toThrow(/timeout/)
    expect(await folders(scratch)).toEqual([])
  })

  test('an external agent is used as it is, and is not ours to stop', async () => {
    await using consul = await startConsul(own)
    vi.stubEnv('FAIRLEAD_CONSUL', 'external')
    vi.stubEnv('CONSUL_HTTP_ADDR', new URL(consul.address).host)
    const external = await startConsul()
    expect(external).toMatchObject({ kind: 'external', address: consul.address, version: consul.version })
    await expect(external.stop()).rejects.toThrow('not ours')
    await external.close()
    expect(await refuses(consul.address)).toBe(false)
  })
})
