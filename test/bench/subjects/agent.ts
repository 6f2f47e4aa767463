import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { AgentService, type Change, type Upstream } from './agent-service.js'
import { monotonicMs } from './event-loop.js'
import { argument, serve } from './serve.js'

export interface AgentArgument {
  readonly services: readonly { readonly name: string; readonly instances: number }[]
  readonly upstream: Upstream
}

export type AgentOrder =
  | { readonly kind: 'address' }
  /** Answered with {@link Changed} when the waiting clients have been told, and have asked again. */
  | { readonly kind: 'change'; readonly service: string; readonly change: Change }
  /** One change after the other, whether or not someone waits. */
  | {
      readonly kind: 'churn'
      readonly service: string
      readonly change: Change
      readonly pauseMs: number
      readonly times: number
    }
  | { readonly kind: 'count' }

export interface Changed {
  readonly version: number
  /** When the answer began to be written. */
  readonly toldAt: number
}

export interface Counts {
  /** Questions about health. */
  readonly queries: number
  /** Of these, how many were held until their wait was over. */
  readonly expired: number
  readonly connections: number
  /** Of health, told. */
  readonly bytes: number
}

/** A service and who waits for its next version. */
interface Watched {
  readonly service: AgentService
  readonly held: Map<ServerResponse, NodeJS.Timeout>
  toldAt: number
  onHeld: (() => void) | undefined
}

const { services, upstream } = argument() as AgentArgument
const all = new Map<string, Watched>(
  services.map(({ name, instances }) => {
    const service = new AgentService(name, instances, upstream)
    return [name, { service, held: new Map(), toldAt: 0, onHeld: undefined }]
  }),
)
let queries = 0
let expired = 0
let bytes = 0

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent')
  const index = Number(searchParams.get('index') ?? 0)
  // No service has a resolver, and none ever will: who waits for one waits until the end.
  if (pathname === '/v1/config/service-resolver') {
    if (index === 0) tell(response, 1, Buffer.from('[]'))
    return
  }
  const watched = all.get(decodeURIComponent(pathname.replace('/v1/health/service/', '')))
  if (watched === undefined) response.writeHead(404).end()
  else answerHealth(watched, index, Number.parseInt(searchParams.get('wait') ?? '0'), response)
}

function answerHealth(watched: Watched, index: number, waitMs: number, response: ServerResponse): void {
  queries++
  const { held, service } = watched
  if (index < service.version) {
    tellHealth(watched, response)
    return
  }
  // Consul's own rule: up to a sixteenth longer, so that not all come back at once.
  const timer = setTimeout(
    () => {
      expired++
      held.delete(response)
      tellHealth(watched, response)
    },
    waitMs * (1 + Math.random() / 16),
  )
  held.set(response, timer)
  response.on('close', () => {
    clearTimeout(timer)
    held.delete(response)
  })
  watched.onHeld?.()
}

function tellHealth(watched: Watched, response: ServerResponse): void {
  const { body, version } = watched.service
  bytes += body.length
  watched.toldAt = monotonicMs()
  tell(response, version, body)
}

/** With Consul's headers and, as Go's server sends what is long, in one chunk. */
function tell(response: ServerResponse, index: number, body: Buffer): void {
  response.writeHead(200, {
    'Content-Type': 'application/json',
    Vary: 'Accept-Encoding',
    'X-Consul-Effective-Consistency': 'leader',
    'X-Consul-Index': String(index),
    'X-Consul-Knownleader': 'true',
    'X-Consul-Lastcontact': '0',
  })
  response.write(body)
  response.end()
}

async function change(watched: Watched, what: Change): Promise<Changed> {
  const askedAgain = new Promise<void>((resolve) => (watched.onHeld = resolve))
  publish(watched, what)
  await askedAgain
  watched.onHeld = undefined
  return { version: watched.service.version, toldAt: watched.toldAt }
}

async function churn(watched: Watched, what: Change, pauseMs: number, times: number): Promise<number> {
  for (let time = 0; time < times; time++) {
    publish(watched, what)
    await pause(pauseMs)
  }
  return watched.service.version
}

function publish(watched: Watched, what: Change): void {
  watched.service.apply(what)
  for (const [response, timer] of watched.held) {
    clearTimeout(timer)
    tellHealth(watched, response)
  }
  watched.held.clear()
}

async function count(): Promise<Counts> {
  const connections = await new Promise<number>((resolve, reject) =>
    server.getConnections((error, number) => (error === null ? resolve(number) : reject(error))),
  )
  return { queries, expired, connections, bytes }
}

const server = createServer(answer)
server.listen(0, '127.0.0.1', 1024)
await once(server, 'listening')

serve((message): unknown => {
  const order = message as AgentOrder
  if (order.kind === 'address') return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  if (order.kind === 'count') return count()
  const watched = all.get(order.service)
  if (watched === undefined) throw new Error(`the agent has no service ${order.service}`)
  return order.kind === 'change'
    ? change(watched, order.change)
    : churn(watched, order.change, order.pauseMs, order.times)
})
