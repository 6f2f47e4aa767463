import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import zlib from 'node:zlib'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'

/** What the server is to do with a request, as its query says it. */
export interface Answer {
  readonly status?: number
  readonly statusText?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: string
  /** Codings of the body, in the order in which they are applied. */
  readonly encodings?: readonly Encoding[]
  /** Where it breaks the connection off. */
  readonly cut?: 'before the head' | 'within the body'
  /** Chunks of so many bytes, without a length. */
  readonly chunkBytes?: number
  /** After the head and a first byte it waits for the end of the request or of the connection. */
  readonly stall?: boolean
  /** It does not answer at all. */
  readonly silent?: boolean
}

export type Encoding =
  'gzip' | 'x-gzip' | 'deflate' | 'raw deflate' | 'br' | 'zstd' | 'unheard-of' | 'garbage'

/** What of a request the server saw. */
export interface Seen {
  readonly method: string | undefined
  readonly path: string | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** One server, a client of it, and the two ways to fetch. */
export class Compared {
  readonly client: Client
  readonly seen: Seen[] = []
  /** Requests of which at least the head has come. */
  arrived = 0
  readonly #server: Server

  static async start(): Promise<Compared> {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Compared(server)
  }

  private constructor(server: Server) {
    this.#server = server
    server.on(
      'request',
      (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response),
    )
    const resolver = fixedResolver([`http://127.0.0.1:${(server.address() as AddressInfo).port}`])
    this.client = createClient('orders', { resolver, retry: false, breaker: false, timeoutMs: 15_000 })
  }

  /** The process's own fetch through the client's dispatcher; and the client's. */
  get both(): readonly (readonly [string, typeof fetch])[] {
    const { dispatcher } = this.client
    const standard = (input: string | URL | Request, init: RequestInit = {}): Promise<Response> =>
      fetch(input, { ...init, dispatcher })
    return [
      ['global fetch', standard],
      ['client.fetch', this.client.fetch],
    ]
  }

  async close(): Promise<void> {
    await this.client.dispatcher.destroy()
    this.#server.closeAllConnections()
    this.#server.close()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.arrived++
    const chunks: Buffer[] = []
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    } catch {
      // The caller has gone; there is no one to answer.
      return
    }
    const headers = { ...request.headers }
    delete headers.host
    delete headers.connection
    this.seen.push({
      method: request.method,
      path: request.url,
      headers,
      body: Buffer.concat(chunks).toString('latin1'),
    })
    send(response, answerIn(request.url ?? '/'))
  }
}

export function pathOf(answer: Answer, path = '/v1/orders/42'): string {
  return `${path}?answer=${encodeURIComponent(JSON.stringify(answer))}`
}

function answerIn(path: string): Answer {
  // A chain of redirects: the last answers, or does not.
  const [, count, rest = ''] = /^\/countdown\/(\d+)(.*)$/.exec(path) ?? []
  if (count === '0') return rest === '' ? { body: 'the end' } : { silent: true }
  if (count !== undefined)
    return { status: 302, headers: [['location', `/countdown/${Number(count) - 1}${rest}`]] }
  const text = new URL(path, 'http://orders').searchParams.get('answer')
  return text === null ? { body: 'arrived' } : (JSON.parse(text) as Answer)
}

function send(response: ServerResponse, answer: Answer): void {
  const {
    status = 200,
    statusText,
    headers = [],
    body = '',
    encodings = [],
    cut,
    chunkBytes,
    stall,
    silent,
  } = answer
  if (silent === true) return
  if (cut === 'before the head') {
    response.destroy()
    return
  }
  response.sendDate = false
  for (const [name, value] of headers) response.appendHeader(name, value)
  let bytes: Uint8Array = Buffer.from(body)
  for (const encoding of encodings) bytes = encoded(bytes, encoding)
  if (encodings.length > 0) response.setHeader('content-encoding', encodings.map(codingOf).join(', '))
  if (cut === 'within the body') response.setHeader('content-length', bytes.length + 10)
  else if (chunkBytes === undefined && stall !== true) response.setHeader('content-length', bytes.length)
  response.writeHead(status, statusText)
  if (stall === true) {
    response.write(bytes)
    return
  }
  for (let at = 0; at < bytes.length; at += chunkBytes ?? bytes.length) {
    response.write(bytes.subarray(at, at + (chunkBytes ?? bytes.length)))
  }
  if (cut === 'within the body') response.socket?.end()
  else response.end()
}

function encoded(bytes: Uint8Array, encoding: Encoding): Uint8Array {
  switch (encoding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.gzipSync(bytes)
    case 'deflate':
      return zlib.deflateSync(bytes)
    case 'raw deflate':
      return zlib.deflateRawSync(bytes)
    case 'br':
      return zlib.brotliCompressSync(bytes)
    case 'zstd': {
      const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (bytes: Uint8Array) => Buffer }
      return zstdCompressSync?.(bytes) ?? bytes
    }
    default:
      return bytes
  }
}

function codingOf(encoding: Encoding): string {
  if (encoding === 'garbage') return 'gzip'
  return encoding === 'raw deflate' ? 'deflate' : encoding
}
