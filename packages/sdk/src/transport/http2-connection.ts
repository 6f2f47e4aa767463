import type { ClientHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { errors } from 'undici'
import { nextTurn, type Clock, type Timer } from '../clock.js'
import { LinkedList } from '../collections/linked-list.js'
import { inOwnContext } from '../runtime/own-context.js'
import type { Lifetime } from './connection.js'
import type { Spoken } from './http2-connect.js'
import { Exchange, type ExchangeLimits, type ExchangeOwner, type Goaway } from './http2-exchange.js'
import type { TransportRequest } from './transport.js'

/** What limits a connection. */
export interface Http2ConnectionOptions extends ExchangeLimits {
  /** How long an idle one is kept, in milliseconds. */
  readonly keepAliveMs: number
  /** A PING is sent so often, in milliseconds; undefined: only where the endpoint is suspected to be gone. */
  readonly pingMs: number | undefined
  readonly lifetime: Lifetime
  readonly clock: Clock
}

/** What the transport hears of a connection. */
export interface Http2ConnectionListener {
  /** There is, or may be, room for another request. */
  onRoom(): void
  /** It takes no more requests, and has none. */
  onClosed(connection: Http2Connection): void
}

/** Before SETTINGS: what RFC 9113, 6.5.2 recommends as the least, and node's servers had for long. */
const USUAL_STREAMS = 100

// An endpoint that does not answer a PING for so long is gone, as Go's http2.Transport has it (`PingTimeout`): its other
// requests have to be waited for as long as it may only be busy.
const PING_TIMEOUT_MS = 15_000

// A PING that is asked for by a suspicion and answered tells nothing of the requests, and nothing of a minute later. The next
// one is due after 30 s, and then each 5 min: servers of gRPC (MinTime of grpc-go's keepalive.EnforcementPolicy) end
// connections that ask more than twice within that of an endpoint that says nothing.
const PAUSES_MS: readonly number[] = [0, 30_000, 300_000]

// A connection that has said something within this is not dead. A busy one is asked hardly ever then, however many of its
// requests are given up: servers take many PINGs for an attack.
const SILENCE_MS = 1000

// After its last stream the endpoint closes the socket that it said GOAWAY on. It need not wait for us to do so for long.
const LINGER_MS = 1000

/**
 * One connection that carries many requests at a time. It is assigned requests from the start, and sends them once it is
 * established.
 */
export class Http2Connection implements ExchangeOwner {
  /** Streams that the endpoint allows at a time. */
  #limit = USUAL_STREAMS
  readonly #options: Http2ConnectionOptions
  readonly #listener: Http2ConnectionListener
  /** Assigned, and not sent yet. */
  readonly #assigned = new LinkedList<TransportRequest>()
  readonly #exchanges = new LinkedList<Exchange>()
  #session: ClientHttp2Session | undefined
  #socket: Socket | undefined
  #state: 'connecting' | 'open' | 'draining' | 'closed' = 'connecting'
  #goaway: Goaway | undefined
  /** Requests that were sent. */
  #requests = 0
  /** When the endpoint said something, by the clock. */
  #heardAt = 0
  /** PINGs by a suspicion since then. */
  #doubts = 0
  #pinging = false
  #pingedAt = 0
  /** Is the PING that is out by a suspicion? */
  #doubting = false
  #idleSince = 0
  #idleTimer: Timer | undefined
  #pingTimer: Timer | undefined
  #deathTimer: Timer | undefined
  #forgetAge: (() => void) | undefined

  constructor(options: Http2ConnectionOptions, listener: Http2ConnectionListener) {
    this.#options = options
    this.#listener = listener
  }

  /** For how many more requests there is room; before it is established, for how many there probably is. */
  get room(): number {
    if (this.#state === 'closed' || this.draining) return 0
    const untilSpent = this.#options.lifetime.maxRequests - this.#requests - this.#assigned.size
    return Math.min(this.#limit - this.active, untilSpent)
  }

  /** Requests that it has. */
  get active(): number {
    return this.#assigned.size + this.#exchanges.size
  }

  /** Is it to take no more requests, and only finishes those that it has? */
  get draining(): boolean {
    // Node ends a session before it says so, as by an error of its socket, or of a frame that could not be sent.
    return this.#state === 'draining' || this.#session?.closed === true || this.#session?.destroyed === true
  }

  /** Does the endpoint allow no request at all for now? On another connection it would hardly do so. */
  get withheld(): boolean {
    return this.#state === 'open' && this.#limit <= 0 && !this.draining
  }

  get connecting(): boolean {
    return this.#state === 'connecting'
  }

  /** Is the endpoint suspected to be gone? Another connection finds that out faster. */
  get suspect(): boolean {
    // One that is only asked each so often has done nothing yet.
    return this.#pinging && (this.#doubting || this.#options.clock.now() - this.#pingedAt >= SILENCE_MS)
  }

  /** Takes a request for which there is room. */
  carry(request: TransportRequest): void {
    const session = this.#session
    if (session === undefined) {
      request.carrier = this
      this.#assigned.append(request)
    } else {
      this.#begin(request, session)
    }
  }

  /** Gives back one that was not sent. */
  unassign(request: TransportRequest): void {
    this.#assigned.remove(request)
  }

  /** All that was not sent, for another one to carry. */
  *unassignAll(): Iterable<TransportRequest> {
    for (let request = this.#assigned.first; request !== undefined; request = this.#assigned.first) {
      this.#assigned.remove(request)
      request.carrier = undefined
      yield request
    }
  }

  /** It is established: sends what it was assigned, as far as the endpoint allows. Returns the rest. */
  established({ session, socket }: Extract<Spoken, { protocol: 'http2' }>): readonly TransportRequest[] {
    this.#session = session
    this.#socket = socket
    this.#state = 'open'
    this.#limit = limitOf(session)
    this.heard()
    session.on('remoteSettings', () => {
      this.#limit = limitOf(session)
      this.#listener.onRoom()
    })
    session.on('goaway', (code: number, lastStreamId: number) => {
      this.#goaway = { code, lastStreamId }
      this.drain()
    })
    session.on('close', () => this.#ended())
    this.#forgetAge = this.#options.lifetime.whenOld(() => this.drain())
    if (this.#options.pingMs !== undefined) this.#pingEach(this.#options.pingMs)
    session.unref()
    const rest = [...this.unassignAll()]
    // A limit of none is told before any: there is nothing to send on it, and it may be raised.
    while (this.room > 0) {
      const next = rest.shift()
      if (next === undefined) break
      inContext(next, () => this.#begin(next, session))
    }
    this.#noteIdle()
    return rest
  }

  /** It could not be established: returns what it was assigned. */
  abandon(): readonly TransportRequest[] {
    const assigned = [...this.unassignAll()]
    this.#ended()
    return assigned
  }

  /** Takes no more requests, and closes behind the last one that it has. */
  drain(): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#closeIfDrained()
    // Another one may be opened in its place.
    this.#listener.onRoom()
  }

  /** Aborts what it has sent. What it was only assigned is not told. */
  destroy(error: Error): void {
    this.#state = 'draining'
    // The first that hears of it may have another one aborted.
    for (const exchange of [...this.#exchanges]) exchange.abort(error)
    const [session, socket] = [this.#session, this.#socket]
    if (session === undefined) this.#ended()
    else {
      inNextTurn(() => {
        session.destroy()
        socket?.destroy()
      })
    }
  }

  heard(): void {
    this.#heardAt = this.#options.clock.now()
    this.#doubts = 0
  }

  /**
   * A request was given up without an answer. Over HTTP/1.1 its connection goes with it; here all others would go on to
   * share that connection, however long it has been dead. So one that is silent is asked whether it is alive, as Go's
   * client does: once for each sign of life that there was, and then with pauses, as servers of gRPC end connections that
   * ask more often (golang/go#70575), and not while others are answered on it (golang/go#76296).
   */
  unanswered(): void {
    const now = this.#options.clock.now()
    if (this.#state !== 'open' || now - this.#heardAt < SILENCE_MS) return
    if (!this.#pinging) {
      const pauseMs = PAUSES_MS[Math.min(this.#doubts, PAUSES_MS.length - 1)] ?? 0
      if (now - this.#pingedAt < pauseMs) return
      this.#doubts++
      this.#ping()
    }
    this.#doubting = this.#pinging
  }

  get goaway(): Goaway | undefined {
    return this.#goaway
  }

  closed(exchange: Exchange): void {
    if (!this.#exchanges.remove(exchange)) return
    if (this.#exchanges.size === 0) {
      this.#session?.unref()
      this.#noteIdle()
    }
    this.#closeIfDrained()
    this.#listener.onRoom()
  }

  #begin(request: TransportRequest, session: ClientHttp2Session): void {
    const exchange = new Exchange(request, this.#options, this)
    request.carrier = exchange
    if (this.#exchanges.size === 0) session.ref()
    this.#exchanges.append(exchange)
    this.#requests++
    exchange.begin(session)
    if (this.#requests >= this.#options.lifetime.maxRequests) this.drain()
  }

  /** One timer for as long as it is used: not one for each pause between requests. */
  #noteIdle(): void {
    if (this.#exchanges.size > 0 || this.#state !== 'open') return
    const { clock, keepAliveMs } = this.#options
    this.#idleSince = clock.now()
    this.#idleTimer ??= clock.setTimer(() => this.#lookIdle(), keepAliveMs)
  }

  #lookIdle(): void {
    this.#idleTimer = undefined
    if (this.active > 0 || this.#state !== 'open') return
    const { clock, keepAliveMs } = this.#options
    const leftMs = this.#idleSince + keepAliveMs - clock.now()
    if (leftMs <= 0) this.drain()
    else this.#idleTimer = clock.setTimer(() => this.#lookIdle(), leftMs)
  }

  #pingEach(ms: number): void {
    this.#pingTimer = this.#options.clock.setTimer(() => {
      this.#ping()
      this.#pingEach(ms)
    }, ms)
  }

  #ping(): void {
    const session = this.#session
    if (this.#pinging || session === undefined || session.destroyed) return
    const { clock } = this.#options
    this.#pinging = true
    this.#pingedAt = clock.now()
    const timer = clock.setTimer(() => {
      const error = new errors.SocketError(
        `the endpoint has not answered a PING within ${PING_TIMEOUT_MS} ms`,
      )
      this.#state = 'draining'
      session.destroy(error)
      this.#socket?.destroy()
    }, PING_TIMEOUT_MS)
    this.#deathTimer = timer
    session.ping(() => {
      clock.clearTimer(timer)
      this.#pinging = false
      this.#doubting = false
      this.#listener.onRoom()
    })
  }

  #closeIfDrained(): void {
    if (this.#state !== 'draining' || this.active > 0) return
    const { clock } = this.#options
    const [session, socket] = [this.#session, this.#socket]
    inNextTurn(() => session?.destroy())
    if (socket?.destroyed === false) {
      const linger = clock.setTimer(() => socket.destroy(), LINGER_MS)
      socket.once('close', () => clock.clearTimer(linger))
    }
    this.#ended()
  }

  #ended(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    const { clock } = this.#options
    for (const timer of [this.#idleTimer, this.#pingTimer, this.#deathTimer]) {
      if (timer !== undefined) clock.clearTimer(timer)
    }
    this.#forgetAge?.()
    this.#listener.onClosed(this)
  }
}

function limitOf(session: ClientHttp2Session): number {
  const { maxConcurrentStreams = NO_LIMIT } = session.remoteSettings
  // What the endpoint has not limited node does (`peerMaxConcurrentStreams`), and holds back what is above.
  return maxConcurrentStreams === NO_LIMIT ? USUAL_STREAMS : maxConcurrentStreams
}

/** How node writes that there is none. */
const NO_LIMIT = 2 ** 32 - 1

/** This turn may be that of a frame that nghttp2 is in the middle of: node itself leaves its stack first. */
function inNextTurn(work: () => void): void {
  inOwnContext(() => void nextTurn().then(work))
}

/** In the context of the one that has waited, and not of the one that has made room. */
export function inContext(request: TransportRequest, work: () => void): void {
  if (request.context === undefined) work()
  else request.context.runInAsyncScope(work)
}
