import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { decode, encode, type Answer, type DecodedPacket, type Question } from 'dns-packet'

/** What a name has of one type; an empty list: the name exists, but has none. */
export type DnsRecords = readonly Answer[]

/** How a server fails to answer: with a code, or not at all. */
export type DnsFault = 'SERVFAIL' | 'REFUSED' | 'silence'

// RFC 1035: the header's flags, and its codes for an answer.
const AUTHORITATIVE = 1 << 10
const TRUNCATED = 1 << 9
const CODES = { NXDOMAIN: 3, SERVFAIL: 2, REFUSED: 5 }
// "Messages carried by UDP are restricted to 512 bytes."
const UDP_BYTES = 512

/** A DNS server on a free port of 127.0.0.1, over UDP and, for what does not fit, TCP. */
export class DnsServer implements AsyncDisposable {
  /** What has been asked, such as `A orders.test`, with ` tcp` behind it where it was. */
  readonly queries: string[] = []
  /** For every question, or for some. */
  fault: DnsFault | undefined | ((question: string) => DnsFault | undefined)
  readonly #records = new Map<string, DnsRecords>()
  readonly #sockets = new Set<Socket>()
  #udp!: UdpSocket
  #tcp!: Server

  static async start(): Promise<DnsServer> {
    const server = new DnsServer()
    // Another program may have the port for TCP that was free for UDP.
    while (!(await server.#listen()));
    return server
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.#udp.address().port}`
  }

  /** Connections over TCP that are open. */
  get connections(): number {
    return this.#sockets.size
  }

  /** @param question Such as `SRV orders.test`. Undefined records: the name does not exist, if it has no others. */
  set(question: string, records: DnsRecords | undefined): void {
    if (records === undefined) this.#records.delete(question)
    else this.#records.set(question, records)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#tcp.close()
    this.#udp.close()
    await Promise.all([once(this.#tcp, 'close'), once(this.#udp, 'close')])
  }

  async #listen(): Promise<boolean> {
    this.#udp = createSocket('udp4')
    this.#udp.bind(0, '127.0.0.1')
    await once(this.#udp, 'listening')
    this.#udp.on('message', (message, { port, address }) => {
      const response = this.#answer(decode(message), 'udp')
      if (response !== undefined) this.#udp.send(response, port, address)
    })
    this.#tcp = createServer((socket) => this.#serve(socket))
    this.#tcp.listen(this.#udp.address().port, '127.0.0.1')
    try {
      await once(this.#tcp, 'listening')
      return true
    } catch {
      this.#udp.close()
      return false
    }
  }

  /** One question a connection, preceded by its length in two bytes; it is too short to come in pieces. */
  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (data) => {
      const response = this.#answer(decode(data.subarray(2)), 'tcp')
      if (response === undefined) return
      const length = Buffer.alloc(2)
      length.writeUInt16BE(response.length)
      socket.write(Buffer.concat([length, response]))
    })
  }

  #answer(query: DecodedPacket, over: 'udp' | 'tcp'): Buffer | undefined {
    const [question] = query.questions as [Question]
    const asked = `${question.type} ${question.name}`
    this.queries.push(over === 'tcp' ? `${asked} tcp` : asked)
    const fault = typeof this.fault === 'function' ? this.fault(asked) : this.fault
    if (fault === 'silence') return undefined
    const exists = [...this.#records.keys()].some((key) => key.endsWith(` ${question.name}`))
    const code = fault === undefined ? (exists ? 0 : CODES.NXDOMAIN) : CODES[fault]
    const answers = fault === undefined ? [...(this.#records.get(asked) ?? [])] : []
    const base = { type: 'response', id: query.id ?? 0, questions: query.questions } as const
    const whole = encode({ ...base, flags: AUTHORITATIVE | code, answers })
    if (over === 'tcp' || whole.length <= UDP_BYTES) return whole
    return encode({ ...base, flags: AUTHORITATIVE | TRUNCATED })
  }
}

export function addressRecord(name: string, address: string, ttl = 60): Answer {
  return { type: address.includes(':') ? 'AAAA' : 'A', name, ttl, data: address }
}

export function srvRecord(name: string, target: string, port: number, priority = 1, weight = 1): Answer {
  return { type: 'SRV', name, ttl: 60, data: { target, port, priority, weight } }
}
