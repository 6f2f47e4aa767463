import type { Worker } from '../children.js'
import type { UpstreamArgument } from '../subjects/upstream.js'
import { Rig } from './rig.js'
import type { Surroundings, Topic } from './topic.js'

const INSTANCES = 10_000
const SERVED = 1000
// Longer than the client keeps an idle connection.
const IDLE_MS = 6000

/** (b) What an instance takes of the heap, as long as it gets no requests, and after. */
export const memory: Topic = {
  title: 'Memory an instance, after a garbage collection',
  figures: {
    'as an instance only': { unit: 'B' },
    'with its endpoint, and all that is kept to follow it': { unit: 'B' },
    'outside of the heap: its text in the last answer': { unit: 'B' },
    'with a request served and its connection open': { unit: 'B' },
    'with a request served and no connection': { unit: 'B' },
  },
  async measure(surroundings) {
    return { ...(await measureUnused(surroundings)), ...(await measureServed(surroundings)) }
  },
}

async function measureUnused(surroundings: Surroundings): Promise<Readonly<Record<string, number>>> {
  const services = [
    { name: 'warm-up', instances: 3 },
    { name: 'orders', instances: INSTANCES },
  ]
  await using rig = await Rig.start(surroundings, { services })
  const { subject } = rig
  // What code and caches take once does not count for an instance.
  await subject.open(['warm-up'])
  await subject.close()
  const before = await subject.memory()
  await subject.open(['orders'])
  const open = await subject.memory()
  await subject.close()
  const closed = await subject.memory()
  return {
    'as an instance only': (closed.heapBytes - before.heapBytes) / INSTANCES,
    'with its endpoint, and all that is kept to follow it': (open.heapBytes - before.heapBytes) / INSTANCES,
    'outside of the heap: its text in the last answer': (open.outsideBytes - before.outsideBytes) / INSTANCES,
  }
}

async function measureServed(surroundings: Surroundings): Promise<Readonly<Record<string, number>>> {
  const { children, where } = surroundings
  const argument: UpstreamArgument = { ports: 1, body: 'x' }
  const upstream: Worker = children.worker('upstream.js', argument, { cores: where.load })
  const [origin = ''] = await upstream.ask<readonly string[]>('origins')
  const { hostname, port } = new URL(origin)
  await using rig = await Rig.start(surroundings, {
    services: [
      { name: 'warm-up', instances: 3 },
      { name: 'orders', instances: SERVED },
    ],
    // All of them in one place, and still an endpoint each.
    upstream: { host: hostname, port: Number(port) },
    subject: { balancer: 'round_robin' },
  })
  const { subject } = rig
  await subject.open(['warm-up'])
  await subject.requests(10)
  await subject.close()
  const before = await subject.memory()
  await subject.open(['orders'])
  await subject.requests(SERVED)
  const open = await subject.memory()
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
  const idle = await subject.memory()
  await upstream.stop()
  return {
    'with a request served and its connection open': (open.heapBytes - before.heapBytes) / SERVED,
    'with a request served and no connection': (idle.heapBytes - before.heapBytes) / SERVED,
  }
}
