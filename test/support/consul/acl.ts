import { randomUUID } from 'node:crypto'
import { ask, type AnAgent } from './agent-access.js'
import type { ConsulConfig } from './agent-command.js'

export interface AclToken {
  /** Names the token for its management. */
  readonly accessorId: string
  /** What its holder sends. */
  readonly secretId: string
}

/** Denies all but what a token grants; `managementToken` grants everything. */
export function aclConfig(managementToken: string): ConsulConfig {
  return {
    acl: {
      enabled: true,
      default_policy: 'deny',
      tokens: {
        // Called `initial_management` from 1.11 on, which 1.8.7 refuses to start with; later ones take both.
        master: managementToken,
        // For what the agent does of its own accord: without, it cannot even write its node's entry in the catalog.
        agent: managementToken,
      },
    },
  }
}

/** Makes a token that grants what `rules` say, in HCL. `agent` is asked with its management token. */
export async function createToken(
  agent: AnAgent,
  { rules, expirationTtlMs }: { readonly rules: string; readonly expirationTtlMs?: number },
): Promise<AclToken> {
  const policy = `test-${randomUUID()}`
  await ask(agent, 'acl/policy', { method: 'PUT', body: { Name: policy, Rules: rules } })
  // Consul takes from one minute to a day, and no configuration changes that: for less, delete the token.
  const expiration = expirationTtlMs === undefined ? {} : { ExpirationTTL: `${expirationTtlMs}ms` }
  const body = { Policies: [{ Name: policy }], ...expiration }
  const token = JSON.parse(await ask(agent, 'acl/token', { method: 'PUT', body })) as {
    AccessorID: string
    SecretID: string
  }
  return { accessorId: token.AccessorID, secretId: token.SecretID }
}

/** A server refuses the token at once; a client agent may go on for its `acl.token_ttl`, 30 s unless configured. */
export async function deleteToken(agent: AnAgent, { accessorId }: AclToken): Promise<void> {
  await ask(agent, `acl/token/${accessorId}`, { method: 'DELETE' })
}
