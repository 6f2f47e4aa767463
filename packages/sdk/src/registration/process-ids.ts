import type { AgentOptions } from '../consul/agent.js'
import { FairleadError } from '../errors.js'
import type { RegisterSettings } from './options.js'

// State of the process, as what is registered with one agent under one id is one thing, wherever in a program it is
// done: two that took turns at it would replace each other in Consul without end.
const taken = new Map<string, string>()

/**
 * Takes the id for this process, and returns how to give it back.
 *
 * @throws FairleadError `INVALID_OPTION`, when another registration has it.
 */
export function takeId({ agent, id, name, port }: RegisterSettings): () => void {
  const key = keyOf(agent, id)
  const mine = `${name} on port ${port}`
  const other = taken.get(key)
  if (other !== undefined) {
    throw new FairleadError(
      'INVALID_OPTION',
      `id is '${id}': it must be one of its own, as ${other} is registered under it in this process, ` +
        `and ${mine} would take its place; give one of them another id, or deregister the first`,
      { service: name },
    )
  }
  taken.set(key, mine)
  return () => void taken.delete(key)
}

/** Ids are unique within an agent's namespace. */
function keyOf({ address, pathPrefix, namespace, partition }: AgentOptions, id: string): string {
  return JSON.stringify([address, pathPrefix, namespace, partition, id])
}
