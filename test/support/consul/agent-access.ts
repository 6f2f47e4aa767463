import { readFile } from 'node:fs/promises'
import { Agent, request } from 'undici'

/** Whom to trust, and what to show for oneself: paths of PEM files. */
export interface TlsFiles {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** How to reach an agent that asks for more than its address. A Consul of ours says it of itself. */
export interface AgentAccess {
  readonly address: string
  /** The ACL token to ask with. */
  readonly token?: string | undefined
  readonly tls?: TlsFiles | undefined
}

/** An agent's address, or how to reach it. */
export type AnAgent = string | AgentAccess

export interface AgentRequest {
  readonly method?: 'GET' | 'PUT' | 'DELETE'
  /** Sent as JSON. */
  readonly body?: unknown
  /** @defaultValue 5_000, short of any test's own deadline. */
  readonly timeoutMs?: number
}

/** The agent answered, but with a status other than 2xx. */
export class AgentRefused extends Error {}

/** The text of an answer of the agent's HTTP API; rejects unless with 2xx. `path` is what follows `/v1/`. */
export async function ask(
  agent: AnAgent,
  path: string,
  { method = 'GET', body, timeoutMs = 5_000 }: AgentRequest = {},
): Promise<string> {
  const { address, token, tls } = accessOf(agent)
  // One for each request: a caller seldom asks twice, and nothing is left to close.
  const dispatcher = new Agent(tls === undefined ? {} : { connect: await readTls(tls) })
  try {
    const response = await request(`${address}/v1/${path}`, {
      dispatcher,
      method,
      headers: token === undefined ? {} : { 'X-Consul-Token': token },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await response.body.text()
    if (response.statusCode < 300) return text
    throw new AgentRefused(`${method} ${path}: ${response.statusCode} ${text.slice(0, 200)}`)
  } finally {
    await dispatcher.destroy()
  }
}

export function accessOf(agent: AnAgent): AgentAccess {
  return typeof agent === 'string' ? { address: agent } : agent
}

/** What the files hold, by the names that `node:tls` has for it. */
export async function readTls({
  caFile,
  certFile,
  keyFile,
}: TlsFiles): Promise<Record<'ca' | 'cert' | 'key', string>> {
  const [ca, cert, key] = await Promise.all([caFile, certFile, keyFile].map((file) => readFile(file, 'utf8')))
  return { ca: ca ?? '', cert: cert ?? '', key: key ?? '' }
}
