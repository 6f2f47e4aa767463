import type { CheckStatus } from './check-options.js'
import type { DrainReport } from './drain.js'
import type { DrainOptions } from './drain-options.js'
import type { LastError, RegistrationState } from './upkeep.js'

/** How long `ready` and `maintenance` of a {@link Registration} wait for the agent. */
export interface RegistrationWaitOptions {
  /** How long to wait, in milliseconds. Default 30,000 for `ready`, 10,000 for `maintenance`. */
  readonly timeoutMs?: number | undefined
}

/** A registration as it stands. Plain data, safe to print as JSON. */
export interface RegistrationInspection {
  /** The service's name in Consul. */
  readonly service: string
  /** The instance's id, unique on its agent. */
  readonly id: string
  /** Which agent. */
  readonly agent: string
  /** Where the registration stands, from `registering` to `deregistered`. */
  readonly state: RegistrationState
  /** Since when, in Unix milliseconds. */
  readonly since: number
  /** What its heartbeats say. */
  readonly status: CheckStatus
  /** The text that heartbeats carry, for people. */
  readonly output: string
  /** Why it is in maintenance, or is to be. */
  readonly maintenance: string | undefined
  /** What went wrong last, however long ago. */
  readonly lastError: LastError | undefined
}

/**
 * One instance in Consul, for as long as this process keeps it there.
 *
 * @example
 * ```ts
 * import { register } from '@fairlead/sdk'
 *
 * // Something else than an HTTP server: what is in flight is its own to finish.
 * const mailer = register({ name: 'mailer', port: 2525, check: { kind: 'tcp' } })
 * const finish = async (deadline: AbortSignal) => console.log('the last mail is out', deadline.aborted)
 * process.once('SIGTERM', () => void mailer.drain({ finish, deadlineMs: 10_000 }))
 * ```
 */
export interface Registration extends AsyncDisposable {
  /** The service's name in Consul. */
  readonly service: string
  /** The instance's id, unique on its agent: as given to `register`, or the default made of name, host and port. */
  readonly id: string
  /**
   * Resolves when the agent has it for the first time.
   *
   * @throws FairleadError `DEADLINE_EXCEEDED` when it has not within `timeoutMs`, saying why; it is retried all the same;
   *   `CLIENT_CLOSED` when it has been deregistered.
   */
  ready(options?: RegistrationWaitOptions): Promise<void>
  /**
   * Sets the status that heartbeats carry from now on, and sends one at once if it is another. All checks of kind
   * `ttl` have it.
   *
   * @param output For people. Default: `alive` while passing, else nothing.
   * @throws FairleadError `INVALID_OPTION` when there is no check of that kind.
   */
  report(status: CheckStatus, output?: string): void
  /**
   * Switches maintenance on, in which clients send it nothing, or off. Survives an agent that loses its data; a process
   * that starts begins without. Resolves when the agent has it.
   *
   * @param reason For people; of two in a row the first one counts.
   * @throws FairleadError `DEADLINE_EXCEEDED` when it has not within `timeoutMs`; it is retried all the same;
   *   `CLIENT_CLOSED` when it is draining or deregistered.
   */
  maintenance(on: boolean, reason?: string, options?: RegistrationWaitOptions): Promise<void>
  /**
   * Takes it out of service without a request lost: maintenance on; until a watch like that of any client has seen it;
   * a moment for clients to act on it; `finish`; deregistered. Called again, it gives the same result. Never takes longer
   * than `deadlineMs` and 3 s, also without Consul.
   *
   * @throws FairleadError `INVALID_OPTION`; whatever `finish` threw, once it is deregistered.
   */
  drain(options?: DrainOptions): Promise<DrainReport>
  /** The registration as it stands. */
  inspect(): RegistrationInspection
  /**
   * Deregisters it, and ends its heartbeats. Resolves to whether the agent has done so: after 3 s there are no more
   * retries, and a warning says what becomes of the instance. Called again, it returns the same promise.
   */
  deregister(): Promise<boolean>
}
