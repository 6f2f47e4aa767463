/** Runs the agent's process, wherever that is; whether Consul is ready is not its business. */
export interface AgentRunner {
  /** Starts it for the first time, or again with the data it had. */
  start(): Promise<void>
  /** Resolves when it is gone; at once if it is not there. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  running(): Promise<boolean>
  /** The last lines of its log. */
  logTail(): Promise<string>
  /** Removes its data, so that the next start is like the first. It must not run. */
  clear(): Promise<void>
  /** Ends it and removes its data. */
  remove(): Promise<void>
}
