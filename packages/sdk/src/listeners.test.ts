import { getEventListeners, once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { afterwards, serve } from './client.test.support.js'
import { createClient } from './client.js'
import type { Client } from './client-interface.js'
import { parseOptions } from './client-options.js'
import { isAborted, sleep } from './clock.js'
import { ConsulAgent, type AgentRequest } from './consul/agent.js'
import { JsonListReader } from './consul/json-list.js'
import { DnsClient } from './discovery/dns/client.js'
import { excluding } from './discovery/excluding.js'
import { resolveHosts } from './discovery/hosts/resolve-hosts.js'
import type { Resolver } from './discovery/resolver.js'
import { fixedResolver } from './discovery/fixed-resolver.js'
import { SnapshotCache } from './discovery/saved/snapshot-cache.js'
import { SharedResolver } from './discovery/shared-resolver.js'
import { Events } from './observe/events.js'
import { hasEnded, orAborted } from './pacing/or-aborted.js'
import { TimeLimit } from './pacing/time-limit.js'
import { TokenBucket } from './pacing/token-bucket.js'
import { isSeenByClients } from './registration/propagation.js'
import { register } from './registration/register.js'
import { ServerTraffic } from './registration/server-traffic.js'
import { StateWatch } from './registration/state-watch.js'
import { FakeAgent, letGo } from './test-support/fake-agent.test.support.js'
import { addressRecord, DnsServer, srvRecord } from './test-support/dns-server.test.support.js'
import { sourceKinds } from './test-support/resolver-sources.test.support.js'
import { until } from './test-support/until.test.support.js'
import {
  FakeConsul,
  FakeResolver,
  healthEntry,
  hold,
  ManualClock,
  refuse,
  seededRandom,
} from './testing/index.js'

/**
 * Everything here that takes a signal leaves it without a listener once it has ended: by success, by failure, and as the
 * signal aborts. A signal may outlive by far what it was given to, such as that of a server that shuts down, and each
 * listener keeps alive what it is of.
 */
type Ending = 'success' | 'failure' | 'abort'

/** Runs what takes the signal in one of the ways in which it ends, until it has. Aborts, where that is the way. */
type Run = (ending: Ending, stop: AbortController) => Promise<unknown>

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length

/** Aborts once something listens: that shows that there was a listener to leave behind. */
async function abort(stop: AbortController): Promise<void> {
  await until(() => listenersOf(stop.signal) > 0)
  stop.abort(new Error('enough'))
}

/** What is to end so: as it does, or, for an abort, by that. */
async function ended(ending: Ending, stop: AbortController, work: Promise<unknown>): Promise<void> {
  const settled = work.then(
    () => 'success',
    () => 'failure',
  )
  if (ending === 'abort') await abort(stop)
  const end = await settled
  if (ending !== 'abort') expect(end).toBe(ending)
}

function check(name: string, endings: readonly Ending[], run: Run): void {
  test.each(endings)(`${name}: %s`, async (ending) => {
    const stop = new AbortController()
    await run(ending, stop)
    expect(stop.signal.aborted).toBe(ending === 'abort')
    // What has ended may have a turn of its own to go.
    await until(() => listenersOf(stop.signal) === 0, 2000)
  })
}

/** Lets manual time pass while something waits for it. */
function pump(clock: ManualClock): void {
  const passing = setInterval(() => void clock.advance(200), 1)
  afterwards(() => {
    clearInterval(passing)
    return Promise.resolve()
  })
}

const WORK = { success: () => Promise.resolve(), failure: () => Promise.reject(new Error('no')) }
const never = (): Promise<never> => new Promise(() => undefined)
const workOf = (ending: Ending): Promise<unknown> => (ending === 'abort' ? never() : WORK[ending]())

describe('waits', () => {
  check('sleep', ['success', 'abort'], async (ending, stop) => {
    const clock = new ManualClock()
    const slept = sleep(clock, 100, stop.signal)
    if (ending === 'success') await clock.advance(100)
    await ended(ending, stop, slept)
  })

  check('a token of a bucket', ['success', 'abort'], async (ending, stop) => {
    const clock = new ManualClock()
    const bucket = new TokenBucket({ capacity: 1, perSecond: 1 }, clock)
    await bucket.take(stop.signal)
    const taken = bucket.take(stop.signal)
    if (ending === 'success') await clock.advance(1000)
    await ended(ending, stop, taken)
  })

  check('a promise, unless it aborts', ['success', 'failure', 'abort'], (ending, stop) =>
    ended(ending, stop, orAborted(workOf(ending), stop.signal)),
  )

  check('the end of work, unless it aborts', ['success', 'failure', 'abort'], (ending, stop) =>
    ended(ending, stop, hasEnded(workOf(ending), stop.signal)),
  )

  // Cleared in time is its success, and its own end its failure.
  check('a time limit', ['success', 'failure', 'abort'], async (ending, stop) => {
    const clock = new ManualClock()
    const limit = new TimeLimit(100, clock, stop.signal)
    expect(listenersOf(stop.signal)).toBe(1)
    if (ending === 'success') limit.clear()
    else if (ending === 'failure') await clock.advance(100)
    else await abort(stop)
  })

  check('a state of a registration', ['success', 'failure', 'abort'], async (ending, stop) => {
    const clock = new ManualClock()
    const watch = new StateWatch<'before' | 'after'>('before', clock)
    const met = watch.until(() => watch.state === 'after', 100, stop.signal)
    if (ending === 'success') watch.set('after')
    else if (ending === 'failure') await clock.advance(100)
    else await abort(stop)
    expect(await met).toBe(ending === 'success')
  })
})

describe('questions', () => {
  const request: AgentRequest = { method: 'GET', path: '/v1/health/service/orders', timeoutMs: 1000 }
  const reader = { read: () => ({ key: '' }), same: () => true }
  const asks = {
    text: (agent: ConsulAgent, signal: AbortSignal) => agent.ask(request, signal),
    list: (agent: ConsulAgent, signal: AbortSignal) =>
      agent.askList(request, () => new JsonListReader(reader), signal),
  }
  for (const kind of ['text', 'list'] as const) {
    check(`to a Consul agent, for ${kind}`, ['success', 'failure', 'abort'], async (ending, stop) => {
      const consul = await FakeConsul.start(
        ...(ending === 'failure' ? [refuse(500, 'no')] : ending === 'abort' ? [hold()] : []),
      )
      afterwards(() => consul.close())
      consul.serve('orders', [healthEntry(1)])
      const agent = new ConsulAgent(agentOptions(consul), new ManualClock())
      await ended(ending, stop, asks[kind](agent, stop.signal))
    })
  }

  for (const kind of ['srv', 'addresses'] as const) {
    check(`to DNS, for ${kind}`, ['success', 'failure', 'abort'], async (ending, stop) => {
      const server = await DnsServer.start()
      afterwards(async () => server[Symbol.asyncDispose]())
      server.set('SRV orders.test', [srvRecord('orders.test', 'a.test', 80)])
      server.set('A orders.test', [addressRecord('orders.test', '10.0.0.1')])
      if (ending === 'failure') server.fault = 'SERVFAIL'
      if (ending === 'abort') server.fault = 'silence'
      const dns = new DnsClient({ servers: [server.address], timeoutMs: 60_000, tries: 1 })
      const asked =
        kind === 'srv' ? dns.srv('orders.test', stop.signal) : dns.addresses('orders.test', [], stop.signal)
      await ended(ending, stop, asked)
    })
  }
})

function agentOptions({ address }: FakeConsul): ConstructorParameters<typeof ConsulAgent>[0] {
  return parseOptions('orders', { consul: { address } }, {}).consul.agent
}

describe('watches', () => {
  type Wrap = (resolver: Resolver, clock: ManualClock) => Promise<Resolver> | Resolver
  const random = seededRandom(1)
  const wraps: Record<string, Wrap> = {
    excluding: (resolver) => excluding(resolver, () => undefined, new Events()),
    resolveHosts: (resolver, clock) =>
      resolveHosts(resolver, () => Promise.resolve(['10.0.0.9']), clock, random),
    SnapshotCache: async (resolver, clock) => {
      const directory = await mkdtemp(join(tmpdir(), 'fairlead-'))
      afterwards(() => rm(directory, { recursive: true }))
      return new SnapshotCache(resolver, 'test', { directory, maxAgeMs: 1e6 }, clock, new Events())
    },
    SharedResolver: (resolver, clock) => new SharedResolver(resolver, clock, random),
  }
  const kinds = sourceKinds.map((kind) => ({ ...kind, wrap: (resolver: Resolver): Resolver => resolver }))
  const wrapped = Object.entries(wraps).flatMap(([name, wrap]) =>
    sourceKinds
      .filter((kind) => kind.name === 'FakeResolver' || kind.name === 'Consul')
      .map((kind) => ({ ...kind, name: `${name} around ${kind.name}`, wrap })),
  )
  for (const { name, start, fails, wrap } of [...kinds, ...wrapped]) {
    check(name, fails ? ['success', 'failure', 'abort'] : ['success', 'abort'], async (ending, stop) => {
      const clock = new ManualClock()
      const source = await start(clock, (instance) => `h${instance}.test`)
      afterwards(async () => source[Symbol.asyncDispose]())
      await source.set('orders', [1, 2])
      const resolver = await wrap(source.resolver, clock)
      pump(clock)
      let begun = false
      for await (const event of resolver.watch('orders', stop.signal)) {
        if (event.kind === 'stale') {
          expect(ending).toBe('failure')
          break
        }
        if (begun) continue
        begun = true
        if (ending === 'success') break
        if (ending === 'failure') await source.fail?.()
        else void abort(stop)
      }
      expect(begun).toBe(true)
    })
  }
})

describe('calls', () => {
  /** One whose server answers, cuts the response, or sends nothing, or a part and then nothing. */
  async function client(mode: 'answers' | 'cuts' | 'is silent' | 'stops'): Promise<Client> {
    const origin = await serve((_, response) => {
      if (mode === 'answers') response.end('ok')
      if (mode === 'cuts') response.destroy()
      if (mode === 'stops') response.write('o')
    })
    const orders = createClient('orders', { resolver: fixedResolver([origin]), retry: false, logger: silent })
    afterwards(() => orders.dispatcher.destroy())
    return orders
  }

  const sends: Record<string, (orders: Client, signal: AbortSignal) => Promise<unknown>> = {
    'client.request': async (orders, signal) => (await orders.request({ path: '/', signal })).body.text(),
    'client.fetch': async (orders, signal) => (await orders.fetch('/', { signal })).text(),
  }
  for (const [name, send] of Object.entries(sends)) {
    check(name, ['success', 'failure', 'abort'], async (ending, stop) => {
      const mode = { success: 'answers', failure: 'cuts', abort: 'is silent' } as const
      await ended(ending, stop, send(await client(mode[ending]), stop.signal))
    })

    check(`${name}, in the middle of the body`, ['abort'], async (ending, stop) => {
      await ended(ending, stop, send(await client('stops'), stop.signal))
    })

    check(`${name}, without an instance or the news of one`, ['failure', 'abort'], async (ending, stop) => {
      const resolver = ending === 'failure' ? fixedResolver([]) : new FakeResolver()
      const orders = createClient('orders', { resolver, logger: silent })
      afterwards(() => orders.dispatcher.destroy())
      await ended(ending, stop, send(orders, stop.signal))
    })
  }
})

const ignore = (): void => undefined
const silent = { info: ignore, warn: ignore, error: ignore }

describe('drains', () => {
  check('until clients have seen it', ['success', 'abort'], async (ending, stop) => {
    const consul = await FakeConsul.start(...(ending === 'abort' ? [hold()] : []))
    afterwards(() => consul.close())
    consul.serve('orders', [])
    const clock = new ManualClock()
    const agent = new ConsulAgent(agentOptions(consul), clock)
    const drained = { service: 'orders', id: 'o1', owner: 'me', reason: 'test', gone: true }
    await ended(ending, stop, isSeenByClients(agent, drained, 1000, clock, stop.signal))
  })

  check('of a server', ['success', 'abort'], async (ending, stop) => {
    const arrived = new AbortController()
    const server = createServer((_, response) => {
      arrived.abort()
      if (ending === 'success') response.end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const traffic = new ServerTraffic(server, new ManualClock())
    const { port } = server.address() as AddressInfo
    const request = get({ port, host: '127.0.0.1', agent: false }, (response) => response.resume())
    request.on('error', ignore)
    await until(() => isAborted(arrived.signal))
    await ended(ending, stop, traffic.end(1000, stop.signal))
  })

  test.each<Ending>(['success', 'failure', 'abort'])(
    'of a registration, on the signal that `finish` gets: %s',
    async (ending) => {
      const agent = await FakeAgent.start('o1')
      const clock = new ManualClock()
      const registration = register({
        name: 'orders',
        port: 8080,
        id: 'o1',
        consul: { address: agent.address },
        clock,
        logger: silent,
        random: seededRandom(1),
      })
      try {
        await registration.ready()
        let deadline: AbortSignal | undefined
        const finish = (signal: AbortSignal): Promise<unknown> => {
          deadline = signal
          return workOf(ending)
        }
        const deadlineMs = ending === 'abort' ? 1000 : 10_000_000
        const draining = registration.drain({ finish, deadlineMs, confirmMs: 0, settleMs: 0 })
        const outcome = draining.then(
          ({ finished }) => (finished ? 'success' : 'abort'),
          () => 'failure',
        )
        pump(clock)
        expect(await outcome).toBe(ending)
        expect(deadline?.aborted).toBe(ending === 'abort')
        expect(deadline && listenersOf(deadline)).toBe(0)
      } finally {
        await letGo(registration, clock)
        await agent.close()
      }
    },
  )
})
