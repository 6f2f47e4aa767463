import { ask, type AnAgent } from './agent-access.js'

/** A configuration entry in Consul's own form: `Kind`, `Name`, and what that kind has. */
export interface ConfigEntry {
  readonly Kind: 'service-resolver' | 'service-defaults' | 'service-splitter' | 'service-router'
  readonly Name: string
  readonly [field: string]: unknown
}

/** Writes the entry, in place of one of the same kind and name. Rejects if Consul finds it wrong. */
export async function writeConfigEntry(agent: AnAgent, entry: ConfigEntry): Promise<void> {
  await ask(agent, 'config', { method: 'PUT', body: entry })
}

export async function deleteConfigEntry(
  agent: AnAgent,
  { Kind, Name }: Pick<ConfigEntry, 'Kind' | 'Name'>,
): Promise<void> {
  await ask(agent, `config/${Kind}/${Name}`, { method: 'DELETE' })
}
