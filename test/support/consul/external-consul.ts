import { eventually } from '../poll.js'
import { agentVersion, leads } from './agent-api.js'
import type { TestConsul } from './test-consul.js'

// The agent runs already, so this is time for an election that may be under way, not for a start.
const deadlineMs = 15_000

/** The agent at `address`, which belongs to someone else. */
export async function connectConsul(address: string, signal?: AbortSignal): Promise<TestConsul> {
  try {
    await eventually(() => leads(address), { what: `a leader at ${address}`, deadlineMs, signal })
  } catch (error) {
    throw new Error(`CONSUL_HTTP_ADDR names ${address}, but: ${String(error)}`, { cause: error })
  }
  const refuse = (): Promise<never> =>
    Promise.reject(new Error(`the agent at ${address} is not ours to stop and start (CONSUL_HTTP_ADDR)`))
  const close = (): Promise<void> => Promise.resolve()
  return {
    kind: 'external',
    version: await agentVersion(address),
    address,
    stop: refuse,
    kill: refuse,
    start: refuse,
    close,
    [Symbol.asyncDispose]: close,
  }
}
