import { randomUUID } from 'node:crypto'
import { Agent as HttpsAgent } from 'node:https'
import Consul from 'consul'
import { accessOf, ask, readTls, type AnAgent } from './agent-access.js'

// Longer than a server waits for a leader (7 s), short of any test's own deadline. npm `consul` has no default: without
// one, a call to an agent that dies mid-answer never settles.
const timeoutMs = 15_000

/** A check in the agent's own form, as far as tests use it. */
interface Check {
  readonly CheckID?: string
  readonly Name?: string
  readonly TTL?: string
  readonly HTTP?: string
  readonly TCP?: string
  readonly Interval?: string
  readonly Timeout?: string
  readonly Status?: 'passing' | 'warning' | 'critical'
}

export interface Registration {
  readonly id: string
  readonly name: string
  readonly port: number
  readonly address?: string
  readonly weights?: { readonly passing: number; readonly warning: number }
  readonly check?: Check
  readonly meta?: Readonly<Record<string, string>>
  readonly tags?: readonly string[]
  /** It takes Connect's mTLS by itself. */
  readonly native?: boolean
}

/** One entry of `/v1/health/service/:service`, as far as tests read it. */
export interface HealthEntry {
  readonly Node: { readonly Node: string; readonly Address: string; readonly Datacenter: string }
  readonly Service: {
    readonly ID: string
    readonly Service: string
    readonly Address: string
    readonly Port: number
    readonly Tags: readonly string[]
    readonly Meta: Readonly<Record<string, string>>
    readonly Weights: { readonly Passing: number; readonly Warning: number }
  }
  readonly Checks: readonly { readonly CheckID: string; readonly Status: string; readonly Output: string }[]
}

/** A name that no other test has: the Consul may be shared, and may be someone else's. */
export function uniqueService(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`
}

/** Registers with the agent, in place of what had the id before. By plain HTTP: npm `consul` drops `Weights`. */
export async function register(agent: AnAgent, service: Registration): Promise<void> {
  await ask(agent, 'agent/service/register?replace-existing-checks=true', {
    method: 'PUT',
    body: {
      ID: service.id,
      Name: service.name,
      Port: service.port,
      Address: service.address,
      Weights: service.weights && { Passing: service.weights.passing, Warning: service.weights.warning },
      Check: service.check,
      Meta: service.meta,
      Tags: service.tags,
      Connect: service.native && { Native: true },
    },
    timeoutMs,
  })
}

export async function deregister(agent: AnAgent, id: string): Promise<void> {
  const options = { id, timeout: timeoutMs }
  await asking(agent, (consul) => consul.agent.service.deregister(options))
}

/** Takes one check out of the agent, and leaves its service. */
export async function deregisterCheck(agent: AnAgent, checkId: string): Promise<void> {
  await ask(agent, `agent/check/deregister/${encodeURIComponent(checkId)}`, { method: 'PUT', timeoutMs })
}

/** Puts one service into maintenance, or takes it out. */
export async function maintenance(agent: AnAgent, id: string, on: boolean, reason = 'test'): Promise<void> {
  const options = { id, enable: on, reason, timeout: timeoutMs }
  await asking(agent, (consul) => consul.agent.service.maintenance(options))
}

/** Every instance of the service, healthy or not. */
export async function health(agent: AnAgent, service: string): Promise<readonly HealthEntry[]> {
  const options = { service, timeout: timeoutMs }
  return asking(agent, (consul) => consul.health.service(options))
}

async function asking<T>(agent: AnAgent, call: (consul: Consul) => Promise<T>): Promise<T> {
  const { address, token, tls } = accessOf(agent)
  const { protocol, hostname, port } = new URL(address)
  const secure = protocol === 'https:'
  const consul = new Consul({
    host: hostname,
    port: Number(port || (secure ? 443 : 80)),
    secure,
    ...(token === undefined ? {} : { defaults: { token } }),
    ...(tls === undefined ? {} : { agent: new HttpsAgent(await readTls(tls)) }),
  })
  try {
    return await call(consul)
  } finally {
    // It keeps its connection indefinitely, and an agent allows 200 a client.
    consul.destroy()
  }
}
