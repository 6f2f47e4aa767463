import { eventually } from '../poll.js'

// One poll; an agent of this machine answers in milliseconds or hangs.
const requestTimeoutMs = 2_000

/** What a query of the agent's HTTP API answers; rejects unless with 2xx. */
export async function query(address: string, path: string): Promise<unknown> {
  const response = await fetch(`${address}/v1/${path}`, { signal: AbortSignal.timeout(requestTimeoutMs) })
  const body = await response.text()
  if (!response.ok) throw new Error(`${path}: ${String(response.status)} ${body.slice(0, 200)}`)
  return JSON.parse(body)
}

/** The version the agent gives itself. */
export async function agentVersion(address: string): Promise<string> {
  const self = (await query(address, 'agent/self')) as { Config: { Version: string } }
  return self.Config.Version
}

/** A leader is known, and the catalog answers with at least one server that passes its checks. */
async function leads(address: string): Promise<boolean> {
  const leader = await query(address, 'status/leader')
  if (leader === '') return false
  const servers = (await query(address, 'health/service/consul?passing')) as unknown[]
  return servers.length > 0
}

/** Waits until {@link leads}, or `ended` says that there is nothing more to wait for; resolves with which. */
export function untilLeads(
  address: string,
  deadlineMs: number,
  ended: () => Promise<boolean>,
  signal?: AbortSignal,
): Promise<'leads' | 'ended'> {
  return eventually(async () => ((await ended()) ? 'ended' : (await leads(address)) ? 'leads' : undefined), {
    what: `a leader at ${address}`,
    deadlineMs,
    signal,
  })
}
