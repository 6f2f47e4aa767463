import { AgentRefused, ask, type AgentAccess, type AnAgent } from './agent-access.js'

// One poll; an agent of this machine answers in milliseconds or hangs.
const timeoutMs = 5_000

/** What a query of the agent's HTTP API answers; rejects unless with 2xx. */
export async function query(agent: AnAgent, path: string): Promise<unknown> {
  return JSON.parse(await ask(agent, path, { timeoutMs }))
}

/** The version the agent gives itself. */
export async function agentVersion(agent: AnAgent): Promise<string> {
  return (await self(agent)).Version
}

/** The RPC address of the server that leads, as the agent knows it; '' while it knows none. */
export async function leaderOf(agent: AnAgent): Promise<string> {
  return (await query(agent, 'status/leader')) as string
}

/** It answers at all: with ACLs a client agent refuses everyone while there is no server to ask about tokens. */
export async function answers(agent: AnAgent): Promise<boolean> {
  try {
    await query(agent, 'agent/self')
  } catch (error) {
    if (!(error instanceof AgentRefused)) throw error
  }
  return true
}

/** A leader is known, and the catalog answers with at least one server that passes its checks. */
export async function leads(agent: AnAgent): Promise<boolean> {
  if ((await leaderOf(agent)) === '') return false
  const servers = (await query(agent, 'health/service/consul?passing')) as unknown[]
  return servers.length > 0
}

/** It {@link leads}, and what follows from its configuration is there too: of an agent of our own. */
export async function serves(agent: AgentAccess): Promise<boolean> {
  // Until the leader has made the anonymous token, who sends none hears `ACL not found`, and nothing of rules. Each
  // agent finds that out for itself, so it is asked for something of its own.
  if (agent.token !== undefined) await query({ ...agent, token: undefined }, 'agent/services')
  return (await leads(agent)) && (await wroteItsNode(agent))
}

// A node's first entry is the leader's, with neither meta nor these.
async function wroteItsNode(agent: AgentAccess): Promise<boolean> {
  const { NodeName } = await self(agent)
  const entry = (await query(agent, `catalog/node/${NodeName}`)) as {
    Node: { TaggedAddresses: unknown }
  } | null
  return entry !== null && entry.Node.TaggedAddresses !== null
}

async function self(agent: AnAgent): Promise<{ NodeName: string; Version: string }> {
  return ((await query(agent, 'agent/self')) as { Config: { NodeName: string; Version: string } }).Config
}
