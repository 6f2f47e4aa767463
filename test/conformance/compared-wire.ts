import { connect, type Socket } from 'node:net'
import { Rig, serveRaw } from '#sidecar/testing/rig.test.support.js'
import { TAG, type Written } from './arbitrary-requests.js'
import { readRequests, type WholeRequest } from './requests.js'

/** What came of one connection's bytes. */
export interface Outcome {
  /** Everything that the application received. */
  readonly received: string
  /** It ended as connections do, not by a reset. */
  readonly clean: boolean
  /** What the instance got whole, in the order in which it had it. */
  readonly got: readonly WholeRequest[]
}

// Far beyond what a connection takes here, also where this process stands still for a while.
const END_MS = 10_000

/**
 * A sidecar before an instance that reads by the letter as well: whatever it is sent that could be read in two ways is
 * a fault of its own. Connections share both; what the instance got is distinguished by tags in the targets.
 */
export class ComparedWire {
  /** What the instance was sent that is not HTTP, or belongs to no connection. */
  readonly faults: string[] = []
  readonly #got = new Map<string, WholeRequest[]>()
  #rig: Rig | undefined
  #count = 0

  static async start(): Promise<ComparedWire> {
    const wire = new ComparedWire()
    wire.#rig = await Rig.start([await serveRaw((socket) => wire.#serve(socket))])
    // Found by now, so that the first connection waits no longer than the others.
    await wire.#rig.send()
    return wire
  }

  /** Writes it all, says that nothing more follows, and reads to the end. */
  async write({ bytes, cuts }: Written): Promise<Outcome> {
    const tag = (this.#count++).toString(36).padStart(TAG.length, '0')
    const got: WholeRequest[] = []
    this.#got.set(tag, got)
    const text = bytes.replaceAll(TAG, tag)
    const socket = connect({
      port: this.#rig?.port ?? 0,
      host: '127.0.0.1',
      noDelay: true,
      allowHalfOpen: true,
    })
    const reading = read(socket)
    let from = 0
    for (const cut of [...cuts, text.length]) {
      if (cut === from) continue
      await send(socket, text.slice(from, cut))
      from = cut
    }
    socket.end()
    const { received, clean } = await reading
    this.#got.delete(tag)
    const untagged = (whole: string): string => whole.replaceAll(tag, TAG)
    return {
      received: untagged(received),
      clean,
      got: got.map((request) => ({
        ...request,
        target: untagged(request.target),
        body: untagged(request.body),
      })),
    }
  }

  #serve(socket: Socket): void {
    let unread = ''
    socket.on('data', (bytes) => {
      unread += bytes.toString('latin1')
      const reads = readRequests(unread)
      for (const request of reads) {
        if (request.kind === 'refused')
          this.faults.push(`${request.why}: ${JSON.stringify(unread.slice(0, 1000))}`)
        if (request.kind !== 'whole') return
        unread = ''
        this.#take(request)
        const body = request.method === 'HEAD' ? '' : request.target
        socket.write(
          `HTTP/1.1 200 OK\r\nX-Got: ${request.target}\r\nContent-Length: ${request.target.length}\r\n\r\n${body}`,
          'latin1',
        )
      }
    })
  }

  #take(request: WholeRequest): void {
    if (request.target === '/') return
    const got = this.#got.get(request.target.slice(1, 1 + TAG.length))
    if (got === undefined) this.faults.push(`a request too many, or too late: ${JSON.stringify(request)}`)
    else got.push(request)
  }
}

async function send(socket: Socket, segment: string): Promise<void> {
  await new Promise<void>((resolve) => socket.write(Buffer.from(segment, 'latin1'), () => resolve()))
  // Written is received, as both ends are of this kernel; and read when the event loop has polled.
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}

function read(socket: Socket): Promise<{ received: string; clean: boolean }> {
  return new Promise((resolve, reject) => {
    let received = ''
    let clean = true
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end of the connection; received ${JSON.stringify(received.slice(-500))}`))
    }, END_MS)
    socket.on('data', (bytes) => (received += bytes.toString('latin1')))
    socket.on('error', () => (clean = false))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ received, clean })
    })
  })
}
