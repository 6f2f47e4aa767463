import type { Children, Worker } from './children.js'
import type { Placement } from './machine.js'
import type { UpstreamArgument } from './subjects/upstream.js'

/** 100 bytes, a small resource. */
export const BODY: string = JSON.stringify({
  id: 42,
  customer: 'c-1007',
  status: 'shipped',
  items: [{ sku: 'A-100', count: 2 }],
  total: 1999,
}).padEnd(100)

/** Four instances of the service that is called: one process, four ports. */
export async function startUpstreams(
  children: Children,
  where: Placement,
  script: 'upstream.js' | 'grpc-upstream.js' = 'upstream.js',
): Promise<{ readonly worker: Worker; readonly origins: readonly string[] }> {
  const argument: UpstreamArgument = { ports: 4, body: BODY }
  const worker = children.worker(script, argument, { cores: where.load })
  return { worker, origins: await worker.ask<readonly string[]>('origins') }
}
