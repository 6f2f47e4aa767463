import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { normal } from './trace.test.support.js'

/** What a server does with a request whose head it has. `body`: resolves to it when it is whole; never, if it is cut. */
export type Behaviour = (
  request: IncomingMessage,
  response: ServerResponse,
  body: Promise<Buffer>,
  nth: number,
) => void

export interface ServerScript {
  readonly answers?: Behaviour | undefined
  readonly upgrades?: ((request: IncomingMessage, socket: Duplex) => void) | undefined
  /** Before HTTP. */
  readonly connects?: ((socket: Socket) => void) | undefined
  /** Where it cuts a body, how much it has of it is up to the kernel. */
  readonly countsBodies?: false
}

export interface TestServer {
  readonly origin: string
  readonly requests: string[]
  /** Ends it, with all its connections. */
  close(): Promise<void>
  /** Resolves when no connection is left: then nothing is added to `requests`. */
  quiet(): Promise<void>
  /** Resolves when so many requests have begun. */
  begun(count: number): Promise<void>
}

interface Seen {
  readonly head: string
  body: Buffer[]
  end: 'whole' | 'cut' | 'open'
}

export const echo: Behaviour = (request, response, body) => {
  void body.then((content) => {
    response.writeHead(200, { 'content-type': 'text/plain' })
    response.end(`${String(request.method)} ${normal(content.toString('latin1'))}`)
  })
}

/** A server of node:http that keeps a record of what it was sent. */
export async function startServer(script: ServerScript): Promise<TestServer> {
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  const waiting: (() => void)[] = []
  const server = createServer((request, response) => {
    const entry: Seen = { head: headOf(request), body: [], end: 'open' }
    seen.push(entry)
    for (const wake of waiting) wake()
    const body = new Promise<Buffer>((resolve) => {
      request
        .on('data', (chunk: Buffer) => entry.body.push(chunk))
        .on('end', () => {
          entry.end = 'whole'
          resolve(Buffer.concat(entry.body))
        })
        .on('error', () => undefined)
        .on('close', () => {
          if (entry.end === 'open') entry.end = 'cut'
        })
    })
    ;(script.answers ?? echo)(request, response, body, seen.length)
  })
  const upgraded = (request: IncomingMessage, socket: Duplex): void => {
    seen.push({ head: headOf(request), body: [], end: 'whole' })
    for (const wake of waiting) wake()
    socket.on('error', () => undefined)
    if (script.upgrades === undefined) socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n')
    else script.upgrades(request, socket)
  }
  if (script.upgrades !== undefined) server.on('upgrade', upgraded)
  server.on('connect', upgraded)
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    script.connects?.(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return seen.map(({ head, body, end }) =>
        normal(`${head} [${Buffer.concat(body).toString('latin1')}] ${end}`),
      )
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
    async quiet() {
      // `once` of node:events would take an error for the end.
      await Promise.all([...sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve))))
    },
    async begun(count) {
      while (seen.length < count) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

const TOLD = [
  'content-type',
  'content-length',
  'transfer-encoding',
  'x-case',
  'range',
  'upgrade',
  'authorization',
]

function headOf({ method, url, headers }: IncomingMessage): string {
  const told = TOLD.filter((name) => headers[name] !== undefined).map(
    (name) => `${name}=${String(headers[name])}`,
  )
  return [method, url, ...told].join(' ')
}
