import type { AgentAccess } from './agent-access.js'

/** Where an agent comes from: one that runs already, a container, or a process of this machine. */
export type ConsulKind = 'external' | OwnKind

/** Where an agent of our own comes from. */
export type OwnKind = 'container' | 'process'

/** A real Consul agent: a server that leads a cluster of its own. */
export interface TestConsul extends AgentAccess, AsyncDisposable {
  readonly kind: ConsulKind
  readonly version: string
  /** `http://127.0.0.1:<port>`, the same after every {@link TestConsul.start}. */
  readonly address: string
  /** SIGTERM, and SIGKILL if that takes too long. The data stays. Rejects if the agent is external. */
  stop(): Promise<void>
  /** SIGKILL. The data stays. Rejects if the agent is external. */
  kill(): Promise<void>
  /** Starts a stopped agent on the same ports and data, and waits until it leads. Rejects if external. */
  start(): Promise<void>
  /** Ends the agent for good and removes its data. Idempotent. Leaves an external agent alone. */
  close(): Promise<void>
}
