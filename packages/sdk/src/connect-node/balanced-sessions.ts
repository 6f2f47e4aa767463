import type { ConnectError } from '@connectrpc/connect'
import type { Http2SessionOptions } from '@connectrpc/connect-node'
import type {
  ClientHttp2Stream,
  ClientSessionOptions,
  OutgoingHttpHeaders,
  SecureClientSessionOptions,
} from 'node:http2'
import { Acquirer, type AcquiredLease } from '../call/acquire.js'
import { partsOf, type ClientParts } from '../client.js'
import type { Client } from '../client-interface.js'
import { AnswerTimes } from '../endpoint/unanswered.js'
import { asError, FairleadError } from '../errors.js'
import { invalidOption } from '../validation/invalid-option.js'
import { requireKnown } from '../validation/known-names.js'
import { connectErrorOf, endOf, toConnectError } from './connect-error.js'
import { EndpointSession, type SessionOptions, type SessionRequest } from './endpoint-session.js'
import { follow } from './follow.js'

/** What {@link balancedSessions} can be told. */
export interface BalancedSessionsOptions {
  /**
   * The key of a call by its headers, for `ring_hash`, `maglev` and `rendezvous`; names are in lower case. Default: none.
   */
  readonly key?: ((headers: OutgoingHttpHeaders) => string | undefined) | undefined
  /** Of each session: connect-node's own, such as `pingIntervalMs`. */
  readonly session?: Http2SessionOptions | undefined
  /** Of each session, for `http2.connect`: TLS and the like. */
  readonly nodeOptions?: ClientSessionOptions | SecureClientSessionOptions | undefined
}

/** A session manager of connect-node that has a session for each endpoint, and picks one for each request. */
export interface BalancedSessions extends Disposable {
  /** `http://<service>`, which the `baseUrl` of the transport has to begin with. */
  readonly authority: string
  /** connect-node's. An error of Fairlead's is the `cause` of a ConnectError, `Unavailable` or `DeadlineExceeded`. */
  request(...request: SessionRequest): Promise<ClientHttp2Stream>
  /** connect-node's. */
  notifyResponseByteRead(stream: ClientHttp2Stream): void
  /** Closes the connections; calls on their way finish before. Close it before the client. */
  close(): void
  /** As `close`. */
  [Symbol.dispose](): void
}

const KNOWN = ['key', 'session', 'nodeOptions'] as const

/**
 * For `sessionManager` of connect-node's transports, by HTTP/2: each call goes to the endpoint that the client's policy
 * picks, with its circuits and its accounting, over a session for each endpoint. What could not be connected to goes
 * elsewhere, for as many attempts as the client makes (`retry.attempts`); nothing that was sent is sent again.
 *
 * @throws TypeError for what is no client of `createClient`; FairleadError `INVALID_OPTION`.
 * @example
 * ```ts
 * import { createGrpcTransport } from '@connectrpc/connect-node'
 * import { createClient } from '@fairlead/sdk'
 * import { balancedSessions } from '@fairlead/sdk/connect-node'
 *
 * const orders = createClient('orders')
 * const transport = createGrpcTransport({ baseUrl: 'http://orders', sessionManager: balancedSessions(orders) })
 * ```
 */
export function balancedSessions(client: Client, options: BalancedSessionsOptions = {}): BalancedSessions {
  requireKnown('balancedSessions', options, KNOWN)
  const { key, session, nodeOptions } = options
  if (key !== undefined && typeof key !== 'function')
    throw invalidOption('key of balancedSessions', key, 'a function of the headers of a call')
  return new Sessions(client, partsOf(client), { key, session, nodeOptions })
}

class Sessions implements BalancedSessions {
  readonly authority: string
  readonly #acquirer: Acquirer
  readonly #answers: AnswerTimes
  readonly #parts: ClientParts
  readonly #key: BalancedSessionsOptions['key']
  readonly #options: SessionOptions
  /** By origin. */
  readonly #sessions = new Map<string, EndpointSession>()
  readonly #carriers = new WeakMap<ClientHttp2Stream, EndpointSession>()
  readonly #unsubscribe: () => void
  #closed = false

  constructor(client: Client, parts: ClientParts, { key, session, nodeOptions }: BalancedSessionsOptions) {
    this.authority = `http://${client.service}`
    this.#acquirer = new Acquirer(parts)
    this.#answers = new AnswerTimes(parts.clock)
    this.#parts = parts
    this.#key = key
    const { policy, clock } = parts
    const connectTimeoutMs = (): number => policy.current.connectTimeoutMs
    this.#options = { session, nodeOptions, connectTimeoutMs, clock }
    this.#unsubscribe = client.onDiscovery(({ removed }) => {
      for (const { origin } of removed) this.#retire(origin)
    })
  }

  async request(...request: SessionRequest): Promise<ClientHttp2Stream> {
    const [, , headers] = request
    const { policy, clock } = this.#parts
    const since = clock.now()
    const exclude: string[] = []
    let failure: Error | undefined
    for (;;) {
      const lease = await this.#acquire(headers, exclude, failure)
      if (this.#closed) {
        lease.release('ignored')
        throw sessionsClosed()
      }
      const session = this.#sessionOf(lease)
      let stream: ClientHttp2Stream
      try {
        stream = await session.request(...request)
      } catch (error) {
        failure = asError(error)
        // connect-node wraps what the machine said.
        lease.release(failure.cause instanceof Error ? failure.cause : failure)
        exclude.push(lease.address)
        if (exclude.length >= policy.current.attempts) throw failure
        continue
      }
      this.#carriers.set(stream, session)
      follow(stream, lease, { since, headers, answers: this.#answers, clock })
      // While it was connecting.
      if (lease.signal.aborted) throw endOf(lease.signal.reason)
      return stream
    }
  }

  notifyResponseByteRead(stream: ClientHttp2Stream): void {
    this.#carriers.get(stream)?.notifyResponseByteRead(stream)
  }

  close(): void {
    this.#closed = true
    this.#unsubscribe()
    for (const origin of this.#sessions.keys()) this.#retire(origin)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @param failure Of the endpoint before: where there is no other, it is what the caller is to know. */
  async #acquire(
    headers: OutgoingHttpHeaders,
    exclude: readonly string[],
    failure: Error | undefined,
  ): Promise<AcquiredLease> {
    if (this.#closed) throw sessionsClosed()
    try {
      // Its path names a service and a method, which a server of another service answers with `unimplemented`: what is
      // retained is safe for it, whatever it does.
      return await this.#acquirer.acquire({ key: this.#key?.(headers), exclude, idempotent: true })
    } catch (error) {
      throw failure ?? toConnectError(error)
    }
  }

  #sessionOf({ origin }: AcquiredLease): EndpointSession {
    const known = this.#sessions.get(origin)
    if (known !== undefined) return known
    const made = new EndpointSession(origin, this.#options)
    this.#sessions.set(origin, made)
    return made
  }

  #retire(origin: string): void {
    this.#sessions.get(origin)?.retire()
    this.#sessions.delete(origin)
  }
}

function sessionsClosed(): ConnectError {
  return connectErrorOf(new FairleadError('CLIENT_CLOSED', 'the sessions are closed; make new ones'))
}
