import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { Rig, serve, until, type Instance } from '#sidecar/testing/rig.test.support.js'
import { onTestFinished } from 'vitest'
import { readResponses, type Answer } from './responses.js'

/** A request as the instance understood it. */
export interface Got {
  readonly method: string
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly body: string
}

export interface WireOptions {
  /** What the instance does besides taking down the request; by default it answers with its number, `#1` first. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse, got: Got) => void
  /** Another instance altogether, such as one that writes what is no HTTP; it takes nothing down. */
  readonly instance?: Instance
  readonly config?: Parameters<typeof Rig.start>[1]
}

/** A sidecar, one instance of the service `orders` behind it, and applications that speak to it byte by byte. */
export class Wire {
  /** What the instance got, in the order in which the requests ended there. */
  readonly got: readonly Got[]
  readonly rig: Rig

  private constructor(rig: Rig, got: readonly Got[]) {
    this.rig = rig
    this.got = got
  }

  static async start({ answer = numbered(), instance, config }: WireOptions = {}): Promise<Wire> {
    const got: Got[] = []
    const listener: RequestListener = (request, response) => {
      text(request).then(
        (body) => {
          const { method = '', url = '', rawHeaders } = request
          const taken = { method, target: url, rawHeaders, body }
          got.push(taken)
          answer(request, response, taken)
        },
        // Aborted before its end: it was never a request.
        () => undefined,
      )
    }
    return new Wire(await Rig.start([instance ?? (await serve(listener))], config), got)
  }

  /** What the instance got, as `GET /path` or `POST /path body`. */
  get gist(): string[] {
    return this.got.map(({ method, target, body }) => `${method} ${target} ${body}`.trimEnd())
  }

  /** An application's connection to the sidecar. */
  connect(): Application {
    return new Application(this.rig.port)
  }

  /** A connection to the admin port. */
  connectAdmin(): Application {
    return new Application(Number(new URL(this.rig.sidecar.adminAddress).port))
  }
}

function numbered(): NonNullable<WireOptions['answer']> {
  let count = 0
  return (_, response) => response.end(`#${++count}`)
}

/** One side of a connection, which writes what it likes and reads by the letter. */
export class Application {
  readonly socket: Socket
  /** Everything received, a byte a character. */
  received = ''
  /** The other side has said that nothing more follows. */
  ended = false
  closed = false
  /** Ended by a reset: what was on its way may be lost. */
  reset = false
  /** What it has asked for, in turn: a response to HEAD has no body. Taken from what is written. */
  readonly #methods: string[] = []

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.socket.on('data', (chunk) => (this.received += chunk.toString('latin1')))
    this.socket.on('end', () => {
      this.ended = true
    })
    this.socket.on('close', () => (this.closed = true))
    this.socket.on('error', (error: NodeJS.ErrnoException) => (this.reset = error.code === 'ECONNRESET'))
    onTestFinished(() => void this.socket.destroy())
  }

  /** Writes each segment on its own, so that the sidecar reads it on its own. A byte is a character. */
  async write(...segments: readonly string[]): Promise<this> {
    for (const segment of segments) {
      for (const [, method = ''] of segment.matchAll(/(?:^|\r\n\r\n)(GET|HEAD|POST|PUT) /g))
        this.#methods.push(method)
      await new Promise<void>((resolve) => {
        this.socket.write(Buffer.from(segment, 'latin1'), () => resolve())
      })
      // Written is received, as both ends are of this kernel; and the sidecar, of this process, has then read it
      // when the event loop has polled.
      await turns(3)
    }
    return this
  }

  /** Whole responses received until now, without the interim ones. */
  get answers(): readonly Answer[] {
    return readResponses(this.received, this.#methods, this.ended).answers.filter(
      ({ status }) => status >= 200,
    )
  }

  get statuses(): readonly number[] {
    return this.answers.map(({ status }) => status)
  }

  /** Waits for so many whole responses, or for an end before them, and gives all there are. */
  async answered(count: number): Promise<readonly Answer[]> {
    await this.#until(`${count} responses`, () => this.answers.length >= count || this.closed)
    return this.answers
  }

  /** Waits until the sidecar has ended the connection; gives what it answered before. Closes this side, too. */
  async end(): Promise<readonly Answer[]> {
    await this.#until('the end of the connection', () => this.ended || this.closed)
    this.socket.end()
    return this.answers
  }

  /** Half a response, or bytes that are not a response. */
  get rest(): string {
    return readResponses(this.received, this.#methods, this.ended).rest
  }

  async #until(what: string, probe: () => boolean): Promise<void> {
    await until(what, probe).catch((error: unknown) => {
      throw new Error(`${String(error)}; received: ${JSON.stringify(this.received.slice(-1000))}`)
    })
  }
}

/** A text as segments of one byte each. */
export function bytewise(text: string): string[] {
  return Array.from(text)
}

/** Lets the event loop poll so many times. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
