import { registeredWeight } from '@fairlead/sdk'
import { setTimeout as pause } from 'node:timers/promises'
import {
  balancers,
  createClient,
  type BalancerName,
  type Candidate,
  type Client,
  type Instance,
} from '@fairlead/sdk'
import { seededRandom } from '@fairlead/sdk/testing'
import { monotonicMs, startUsage, type Usage } from './event-loop.js'
import { argument, serve } from './serve.js'

export interface DiscoveryArgument {
  /** Of the agent. */
  readonly address: string
  readonly waitMs?: number
  readonly maxWatches?: number
  readonly balancer?: BalancerName
}

export type DiscoveryOrder =
  /** Makes a client for each, and waits until all are ready: {@link Opened}. */
  | { readonly kind: 'open'; readonly services: readonly string[]; readonly watched: boolean }
  | { readonly kind: 'start'; readonly watched: boolean }
  /** {@link Usage} since `start`. */
  | { readonly kind: 'stop' }
  /** When the picker of the service had this version, in milliseconds of the machine's clock. */
  | { readonly kind: 'arrival'; readonly service: string; readonly version: number }
  /** One request after the other to the only service. */
  | { readonly kind: 'requests'; readonly count: number }
  /** What a garbage collection leaves: {@link Memory}. */
  | { readonly kind: 'memory' }
  /** Closes all clients; the instances that they knew are kept. */
  | { readonly kind: 'close' }
  /** CPU milliseconds that each balancer takes for the picker of the only service: a number by name. */
  | { readonly kind: 'build'; readonly times: number }
  /** CPU milliseconds that it takes to read the service's answer by `JSON.parse` and no more. */
  | { readonly kind: 'parse'; readonly service: string; readonly times: number }

/** Until all are ready. */
export interface Opened extends Usage {
  /** Before that: CPU to make the clients. */
  readonly makingCpuMs: number
}

export interface Memory {
  readonly heapBytes: number
  /** What belongs to objects of the heap and is not in it, such as the bytes of buffers. */
  readonly outsideBytes: number
}

// For an event that has to come; a machine that takes longer measures nothing of us.
const DEADLINE_MS = 30_000

const { address, waitMs, maxWatches, balancer = 'peak_ewma' } = argument() as DiscoveryArgument
const clients: Client[] = []
const arrivals = new Map<string, number>()
const kept: (readonly Instance[])[] = []
/** Of the client that was opened last. */
let endpoints: readonly Candidate[] = []
let stop: (() => Usage) | undefined

function open(service: string): Promise<void> {
  let picking: readonly Candidate[] = []
  const client = createClient(service, {
    consul: { address, waitMs, maxWatches },
    idleMs: Infinity,
    // Half of a service is replaced several times a second here, each time a deploy of its own. As one removal that were
    // 40,000 instances retained.
    removal: { windowMs: 100 },
    balancer: (members, random) => {
      picking = members
      endpoints = members
      return balancers[balancer](members, random, registeredWeight)
    },
  })
  // Called when the new picker has taken the place of the one before.
  client.onDiscovery(({ instances }) => {
    const version = picking.find(({ instance }) => instance.key.includes(`/${service}-0@`))?.instance.weight
    const arrival = `${service} ${version ?? 0}`
    if (!arrivals.has(arrival)) arrivals.set(arrival, monotonicMs())
    kept[0] = instances
  })
  clients.push(client)
  return client.ready()
}

async function openAll(services: readonly string[], watched: boolean): Promise<Opened> {
  const making = startUsage(false)
  const ready = services.map(open)
  const { cpuMs: makingCpuMs } = making()
  // To make many clients in a row is the program's own doing; what comes of it is ours.
  const usage = startUsage(watched)
  await Promise.all(ready)
  return { ...usage(), makingCpuMs }
}

async function arrival(service: string, version: number): Promise<number> {
  const deadline = monotonicMs() + DEADLINE_MS
  for (;;) {
    const at = arrivals.get(`${service} ${version}`)
    if (at !== undefined) return at
    if (monotonicMs() > deadline) throw new Error(`version ${version} of ${service} never arrived`)
    await pause(1)
  }
}

async function request(count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    const answer = await clients[0]?.request({ path: '/' })
    if ((await answer?.body.text()) === '') throw new Error('the body is empty')
  }
}

async function memory(): Promise<Memory> {
  if (globalThis.gc === undefined) throw new Error('started without --expose-gc')
  // What one collection finds unreachable may hold on to more until it is finalised.
  for (let time = 0; time < 4; time++) {
    globalThis.gc()
    await pause(20)
  }
  const { heapUsed, external } = process.memoryUsage()
  return { heapBytes: heapUsed, outsideBytes: external }
}

async function parse(service: string, times: number): Promise<number> {
  const response = await fetch(`${address}/v1/health/service/${service}`)
  const bytes = Buffer.from(await response.arrayBuffer())
  const usage = startUsage(false)
  let entries = 0
  for (let time = 0; time < times; time++)
    entries += (JSON.parse(bytes.toString('utf8')) as readonly unknown[]).length
  const { cpuMs } = usage()
  if (entries === 0) throw new Error('there was nothing to parse')
  return cpuMs / times
}

function build(times: number): Readonly<Record<string, number>> {
  const random = seededRandom(1)
  return Object.fromEntries(
    Object.entries(balancers).map(([name, make]) => {
      // Cold code is part of the first update, and measured there.
      make(endpoints, random, registeredWeight)
      const usage = startUsage(false)
      for (let time = 0; time < times; time++) make(endpoints, random, registeredWeight)
      return [name, usage().cpuMs / times]
    }),
  )
}

serve((message): unknown => {
  const order = message as DiscoveryOrder
  switch (order.kind) {
    case 'open':
      return openAll(order.services, order.watched)
    case 'start':
      stop = startUsage(order.watched)
      return undefined
    case 'stop':
      return stop?.()
    case 'arrival':
      return arrival(order.service, order.version)
    case 'requests':
      return request(order.count)
    case 'memory':
      return memory()
    case 'close':
      endpoints = []
      return Promise.all(clients.splice(0).map((client) => client.close()))
    case 'build':
      return build(order.times)
    case 'parse':
      return parse(order.service, order.times)
  }
})
