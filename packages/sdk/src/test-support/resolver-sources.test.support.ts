import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ConsulResolver } from '../discovery/consul/resolver.js'
import { dnsResolver } from '../discovery/dns/resolver.js'
import { fileResolver } from '../discovery/file/file-resolver.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import type { Resolver } from '../discovery/resolver.js'
import { parseOptions } from '../client-options.js'
import { seededRandom } from '../random.js'
import { addressRecord, DnsServer, srvRecord } from './dns-server.test.support.js'
import { answer, refuse, type FakeConsulStep } from '../testing/fake-consul-steps.js'
import { FakeConsul } from '../testing/fake-consul.js'
import { FakeResolver, instanceAt } from '../testing/fake-resolver.js'
import { healthEntry } from '../testing/health-entry.js'
import type { ManualClock } from '../testing/manual-clock.js'

/** What a resolver asks, in the hands of a test. An instance is a number; where it is, is for `hostOf` to say. */
export interface Source extends AsyncDisposable {
  readonly resolver: Resolver
  /** These are the instances of a service from now on. */
  set(service: string, instances: readonly number[]): Promise<void> | void
  /** From now on nothing can be learned of it, and it says so. */
  fail?(): Promise<void> | void
  heal?(): Promise<void> | void
  /** From now on it says nothing at all. */
  hang?(): void
  /** How many times it has been asked something. */
  asked(): number
  /** Connections to it. */
  open(): number
}

export interface SourceKind {
  readonly name: string
  readonly start: (clock: ManualClock, hostOf: (instance: number) => string) => Promise<Source> | Source
  /** Can its sets change? */
  readonly changes: boolean
  readonly fails: boolean
  readonly hangs: boolean
}

const PORT = 80
// What a test waits for in real time, millisecond by millisecond, while manual time goes by.
const TTL_SECONDS = 2

export const sourceKinds: readonly SourceKind[] = [
  { name: 'fixed', start: startFixed, changes: false, fails: false, hangs: false },
  { name: 'FakeResolver', start: startFake, changes: true, fails: true, hangs: true },
  { name: 'file', start: startFile, changes: true, fails: true, hangs: false },
  { name: 'DNS, SRV records', start: startDns(undefined), changes: true, fails: true, hangs: true },
  { name: 'DNS, addresses', start: startDns(PORT), changes: true, fails: true, hangs: true },
  { name: 'Consul', start: startConsul, changes: true, fails: true, hangs: true },
]

function startFixed(_clock: ManualClock, hostOf: (instance: number) => string): Source {
  const sets = new Map<string, readonly number[]>()
  let asked = 0
  return {
    // One list serves every service, so a list each.
    resolver: {
      name: 'fixed',
      watch(service, signal) {
        asked++
        const origins = (sets.get(service) ?? []).map((instance) => `http://${hostOf(instance)}:${PORT}`)
        return fixedResolver(origins).watch(service, signal)
      },
    },
    set: (service, instances) => void sets.set(service, instances),
    asked: () => asked,
    open: () => 0,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function startFake(_clock: ManualClock, hostOf: (instance: number) => string): Source {
  const fakes = new Map<string, FakeResolver>()
  const sets = new Map<string, readonly number[]>()
  let state: 'up' | 'down' | 'silent' = 'up'
  const tell = (service: string, fake: FakeResolver): void => {
    if (state === 'down') fake.stale(new Error('told to fail'))
    if (state !== 'up') return
    const origins = (sets.get(service) ?? []).map((instance) => `http://${hostOf(instance)}:${PORT}`)
    fake.snapshot(origins.map((origin) => instanceAt(origin)))
  }
  const tellAll = (): void => {
    for (const [service, fake] of fakes) tell(service, fake)
  }
  const watching = (): number => [...fakes.values()].reduce((sum, fake) => sum + fake.watching, 0)
  return {
    resolver: {
      name: 'fake',
      watch(service, signal) {
        const fake = new FakeResolver()
        fakes.set(service, fake)
        tell(service, fake)
        return fake.watch(service, signal)
      },
    },
    set(service, instances) {
      const before = sets.get(service)
      sets.set(service, instances)
      const fake = fakes.get(service)
      // It is the teller's part not to repeat itself.
      const news = before?.toSorted().join() !== instances.toSorted().join()
      if (fake !== undefined && news) tell(service, fake)
    },
    fail() {
      state = 'down'
      tellAll()
    },
    heal() {
      state = 'up'
      tellAll()
    },
    hang: () => void (state = 'silent'),
    asked: watching,
    open: watching,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

async function startFile(clock: ManualClock, hostOf: (instance: number) => string): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'fairlead-source-'))
  const path = join(folder, 'services.json')
  const services: Record<string, string[]> = {}
  const put = async (text: string): Promise<void> => {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  const write = (): Promise<void> => put(JSON.stringify(services))
  await write()
  return {
    resolver: fileResolver({ path, clock }),
    set(service, instances) {
      services[service] = instances.map((instance) => `http://${hostOf(instance)}:${PORT}`)
      return write()
    },
    fail: () => put('{'),
    heal: write,
    asked: () => 0,
    open: () => 0,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  }
}

function startDns(port: number | undefined): SourceKind['start'] {
  return async (clock) => {
    const server = await DnsServer.start()
    return {
      resolver: dnsResolver({
        servers: [server.address],
        name: (service) => `${service}.test`,
        port,
        // A question that gets no answer stays open for longer than any test.
        timeoutMs: 60_000,
        refreshMs: TTL_SECONDS * 1000,
        clock,
        random: seededRandom(1),
      }),
      set(service, instances) {
        const name = `${service}.test`
        for (const n of instances) server.set(`A h${n}.test`, [addressRecord(`h${n}.test`, `10.0.0.${n}`)])
        server.set(
          `SRV ${name}`,
          instances.map((n) => srvRecord(name, `h${n}.test`, PORT)),
        )
        server.set(
          `A ${name}`,
          instances.map((n) => addressRecord(name, `10.0.0.${n}`, TTL_SECONDS)),
        )
      },
      fail: () => void (server.fault = 'SERVFAIL'),
      heal: () => void (server.fault = undefined),
      hang: () => void (server.fault = 'silence'),
      asked: () => server.queries.length,
      open: () => server.connections,
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    }
  }
}

async function startConsul(clock: ManualClock, hostOf: (instance: number) => string): Promise<Source> {
  const sets = new Map<string, readonly object[]>()
  const held = new Set<() => void>()
  let index = 1
  let state: 'up' | 'down' | 'silent' = 'up'
  // A blocking query, as an agent serves it: held while there is nothing newer than its index.
  const serve: FakeConsulStep = (request, response) => {
    const url = new URL(request.url ?? '/', 'http://agent')
    const known = Number(url.searchParams.get('index') ?? 0)
    const service = url.pathname.split('/').at(-1) ?? ''
    const attempt = (): void => {
      if (state === 'down') refuse(500, 'No cluster leader')(request, response)
      else if (state === 'up' && index > known) answer(index, sets.get(service) ?? [])(request, response)
      else held.add(attempt)
    }
    attempt()
  }
  const release = (): void => {
    const attempts = [...held]
    held.clear()
    for (const attempt of attempts) attempt()
  }
  const agent = await FakeConsul.start(...Array<FakeConsulStep>(10_000).fill(serve))
  return {
    resolver: new ConsulResolver(
      // Longer than any test lets pass: the agent here holds a query for as long as there is no news.
      parseOptions('any', { consul: { address: agent.address, waitMs: 600_000 } }, {}).consul,
      clock,
      seededRandom(1),
    ),
    set(service, instances) {
      sets.set(
        service,
        instances.map((n) => healthEntry(PORT, { service: { ID: `i${n}`, Address: hostOf(n) } })),
      )
      index++
      release()
    },
    fail() {
      state = 'down'
      release()
    },
    heal: () => void (state = 'up'),
    hang: () => void (state = 'silent'),
    asked: () => agent.queries.length,
    open: () => agent.connections,
    [Symbol.asyncDispose]: () => agent.close(),
  }
}
