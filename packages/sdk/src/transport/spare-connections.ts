import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { Clock } from '../clock.js'

/** Connects within its limit, and calls back once. */
export type Connect = (target: buildConnector.Options, callback: buildConnector.Callback) => void

/** One connection that no request has been sent on. */
interface Spare {
  /** Undefined: it is being established. */
  socket: Socket | undefined
  /** Who has taken it before it was established. */
  taker: buildConnector.Callback | undefined
  /** Ends our hold on its socket. */
  letGo: () => void
}

/**
 * Connections that are opened before requests come. A request that needs a new connection takes one of these, also one
 * that is only being established. A failure to connect is nobody's but that request's which has taken it.
 */
export class SpareConnections {
  readonly #spares: Spare[] = []
  readonly #target: buildConnector.Options
  readonly #connect: Connect
  readonly #keepMs: number
  readonly #clock: Clock
  #closed = false

  /** @param keepMs How long one is kept that no request takes, in milliseconds. */
  constructor(origin: string, connect: Connect, keepMs: number, clock: Clock) {
    const { host, hostname, protocol, port } = new URL(origin)
    // As undici's clients ask for one.
    this.#target = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port }
    this.#connect = connect
    this.#keepMs = keepMs
    this.#clock = clock
  }

  /** Those that no request has taken. */
  get size(): number {
    return this.#spares.length
  }

  /** Opens so many more; none or fewer: nothing. */
  open(count: number): void {
    for (let opened = 0; opened < count; opened++) this.#open()
  }

  /** Takes in one that is established. */
  add(socket: Socket): void {
    this.#keep(this.#append(), socket)
  }

  /**
   * Hands one over, in a moment or when it is established. False: there is none.
   *
   * @param servername Who the request is for, where TLS has to name another one than the origin does.
   */
  take(servername: string | null | undefined, callback: buildConnector.Callback): boolean {
    if (servername && servername !== this.#target.hostname) return false
    const spare = this.#spares.find(({ socket }) => socket !== undefined) ?? this.#spares[0]
    if (spare === undefined) return false
    this.#remove(spare)
    const { socket } = spare
    if (socket === undefined) spare.taker = callback
    // undici is in the middle of asking for it, and would not notice.
    else queueMicrotask(() => callback(null, socket))
    return true
  }

  /** What no request has taken is closed. */
  close(): void {
    this.#closed = true
    for (const spare of [...this.#spares]) {
      this.#remove(spare)
      spare.socket?.destroy()
    }
  }

  #open(): void {
    const spare = this.#append()
    this.#connect(this.#target, (...result) => {
      if (spare.taker !== undefined) spare.taker(...result)
      else if (result[0] !== null) this.#remove(spare)
      else if (this.#closed) result[1].destroy()
      else this.#keep(spare, result[1])
    })
  }

  #append(): Spare {
    const spare: Spare = { socket: undefined, taker: undefined, letGo: ignore }
    this.#spares.push(spare)
    return spare
  }

  #keep(spare: Spare, socket: Socket): void {
    const discard = (): void => {
      this.#remove(spare)
      socket.destroy()
    }
    // Whatever comes unasked is the end of it: the server closes, or says before that it has waited too long (408).
    socket.on('readable', discard).on('error', ignore).on('close', discard)
    const timer = this.#clock.setTimer(discard, this.#keepMs)
    // As any idle connection, it keeps no process alive.
    socket.unref()
    spare.socket = socket
    spare.letGo = () => {
      this.#clock.clearTimer(timer)
      socket.off('readable', discard).off('close', discard)
      if (!socket.destroyed) socket.ref()
    }
  }

  #remove(spare: Spare): void {
    const place = this.#spares.indexOf(spare)
    if (place >= 0) this.#spares.splice(place, 1)
    spare.letGo()
  }
}

function ignore(): void {}
