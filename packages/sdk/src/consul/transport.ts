import type { Socket } from 'node:net'
import { buildConnector, Client } from 'undici'
import { nextTurn } from '../clock.js'
import { leaveProcessFree } from '../runtime/leave-process-free.js'
import type { TlsFiles, TlsMaterial } from './tls-files.js'

// An agent stands beside its clients, or in the same datacenter: connecting takes milliseconds or will not do.
const CONNECT_TIMEOUT_MS = 5000

/**
 * The connections to one agent, over TCP, TLS or a unix socket; new ones follow new certificates. One question at a
 * time on each, and a connection is free with the end of its answer.
 *
 * undici's Pool takes a connection for free two turns of the event loop later, when the next question has long been
 * asked: at each change every watch would open another one beside that which it has just used, and an agent allows a
 * client 200 (`limits.http_max_conns_per_client`).
 */
export class Transport {
  readonly #origin: string
  readonly #socketPath: string | undefined
  readonly #tls: TlsFiles | undefined
  #material: TlsMaterial | undefined
  #connect: buildConnector.connector | undefined
  /** Those of the present certificates that nothing is asked over; the last one that became free comes first. */
  #idle: Client[] = []
  #current = new Set<Client>()

  /** @param address `http://host:port`, `https://host:port` or `unix:///path`. */
  constructor(address: string, tls: TlsFiles | undefined) {
    this.#socketPath = address.startsWith('unix://') ? address.slice('unix://'.length) : undefined
    this.#origin = this.#socketPath === undefined ? address : 'http://localhost'
    this.#tls = address.startsWith('https:') ? tls : undefined
  }

  /**
   * A connection of your own until you {@link release} it.
   *
   * @throws Error when the files for TLS cannot be read, and never could.
   */
  async take(): Promise<Client> {
    const material = await this.#tls?.current()
    const known = material === this.#material ? this.#connect : undefined
    const connect = known ?? this.#renew(material)
    const idle = this.#idle.pop()
    if (idle === undefined) return this.#open(connect)
    // A proxy may close behind an answer. The rest of this turn and one poll for I/O, and what has come of that is read:
    // undici connects anew then. It is asked too seldom for two turns to count.
    await nextTurn()
    await nextTurn()
    return idle
  }

  /** @param whole The answer has been read to its end, so that the connection is good for another question. */
  release(client: Client, whole: boolean): void {
    if (whole && this.#current.has(client)) {
      this.#idle.push(client)
      return
    }
    this.#current.delete(client)
    void client.destroy()
  }

  #renew(material: TlsMaterial | undefined): buildConnector.connector {
    this.#connect = this.#connector(material)
    // What is asked over the old connections is answered, and then they end.
    for (const client of this.#idle) void client.destroy()
    this.#idle = []
    this.#current = new Set()
    this.#material = material
    return this.#connect
  }

  #connector(material: TlsMaterial | undefined): buildConnector.connector {
    const connect = buildConnector({
      ...material,
      timeout: CONNECT_TIMEOUT_MS,
      ...(this.#socketPath === undefined ? {} : { socketPath: this.#socketPath }),
      // Its types do not tell that it returns the socket.
    }) as unknown as (...args: Parameters<buildConnector.connector>) => Socket
    // A blocking query is out at nearly all times. What waits for an answer keeps the process: the caller of the client,
    // or the timer of a registration.
    return (target, callback) => leaveProcessFree(connect(target, callback))
  }

  #open(connect: buildConnector.connector): Client {
    // The caller keeps the time of each question, from its own clock.
    const client = new Client(this.#origin, { connect, headersTimeout: 0, bodyTimeout: 0 })
    this.#current.add(client)
    client.on('disconnect', () => {
      const place = this.#idle.indexOf(client)
      if (place < 0) return
      this.#idle.splice(place, 1)
      this.#current.delete(client)
    })
    return client
  }
}
