import { once } from 'node:events'
import * as http from 'node:http'
import * as net from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { ClientInspection, Logger } from '@fairlead/sdk'
import { FakeConsul, healthEntry } from '@fairlead/sdk/testing'
import { onTestFinished } from 'vitest'
import { startSidecar, type Config, type Sidecar } from '../index.js'

/**
 * Polls until `probe` holds, and once more after the deadline: for what no event announces. A probe that throws counts
 * as "not yet".
 */
export async function until(what: string, probe: () => unknown, deadlineMs = 15_000): Promise<void> {
  const deadline = performance.now() + deadlineMs
  for (;;) {
    const late = performance.now() > deadline
    let last: unknown
    try {
      last = await probe()
      if (Boolean(last)) return
    } catch (error) {
      last = error
    }
    if (late) throw new Error(`waited ${deadlineMs} ms until ${what}; last: ${String(last)}`)
    await delay(5)
  }
}

/** Resolves to a number once it has stopped growing: the sign that backpressure has reached its source. */
export async function settled(what: string, read: () => number): Promise<number> {
  let last = -1
  let unchanged = 0
  await until(`${what} stops growing`, () => {
    unchanged = read() === last && last > 0 ? unchanged + 1 : 0
    last = read()
    return unchanged === 40
  })
  return last
}

/** A promise, and what resolves it. */
export class Gate {
  open: () => void = () => undefined
  readonly opened: Promise<void> = new Promise((resolve) => (this.open = resolve))
}

async function listening(server: net.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as net.AddressInfo).port
}

/** An instance: its port, and the connections it has open. */
export interface Instance {
  readonly port: number
  readonly sockets: ReadonlySet<net.Socket>
  /** Connections that it ever accepted. */
  readonly accepted: number
  kill(): void
}

async function instance(server: net.Server): Promise<Instance> {
  const sockets = new Set<net.Socket>()
  let accepted = 0
  server.on('connection', (socket: net.Socket) => {
    accepted++
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  const port = await listening(server)
  const kill = (): void => {
    server.close()
    for (const socket of sockets) socket.destroy()
  }
  onTestFinished(kill)
  return {
    port,
    sockets,
    kill,
    get accepted() {
      return accepted
    },
  }
}

/** An instance that speaks HTTP. */
export function serve(listener: http.RequestListener): Promise<Instance> {
  const server = http.createServer(listener)
  // What it is sent it reads: by default it would forget headers beyond 1,000.
  server.maxHeadersCount = 0
  return instance(server)
}

/** An instance that speaks whatever the listener writes. */
export function serveRaw(listener: (socket: net.Socket) => void): Promise<Instance> {
  return instance(net.createServer(listener))
}

/** An instance that reads the head of each request, and a body that follows in one go, then says `text`. */
export function serveText(text: string, end = true): Promise<Instance> {
  return serveRaw((socket) => {
    socket.once('data', () => {
      socket.write(Buffer.from(text, 'latin1'))
      if (end) socket.end()
    })
  })
}

/** Refuses connections: no system hands out the lowest port. */
export const UNREACHABLE = '127.0.0.1:1'

/** An instance whose server no longer listens. */
export async function refusing(): Promise<Instance> {
  const gone = await instance(net.createServer())
  gone.kill()
  return gone
}

/** A Consul agent that ends with the test. */
export async function startAgent(): Promise<FakeConsul> {
  const agent = await FakeConsul.start()
  onTestFinished(() => agent.close())
  return agent
}

/** The agent lists these instances for the service from now on. */
export function register(agent: FakeConsul, service: string, ...instances: readonly Instance[]): void {
  const entries = instances.map(({ port }) =>
    healthEntry(port, { service: { ID: `${service}-${port}`, Service: service, Address: '127.0.0.1' } }),
  )
  agent.serve(service, entries)
}

/** A configuration for tests: free ports, short waits. */
export const CONFIG: Config = {
  listen: { host: '127.0.0.1', port: 0 },
  admin: { host: '127.0.0.1', port: 0 },
  allowedHosts: [],
  consul: undefined,
  datacenter: undefined,
  failover: [],
  snapshotDir: undefined,
  idleTimeoutMs: 600_000,
  services: [],
  // Takes turns, so that a test knows who is asked.
  balancer: 'round_robin',
  layers: { subset: undefined, zone: undefined, slowStartMs: undefined },
  panicThreshold: 0.5,
  admission: undefined,
  hashOn: [],
  sticky: undefined,
  timeoutMs: 5000,
  bodyTimeoutMs: 300_000,
  maxResponseHeaderBytes: undefined,
  applicationTimeoutMs: 300_000,
  drainTimeoutMs: 0,
  readyMin: 0,
  maxServices: 10,
  logLevel: 'info',
}

export const quiet: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** A sidecar with everything it needs around it. */
export class Rig {
  readonly agent: FakeConsul
  readonly sidecar: Sidecar
  readonly log: readonly LogLine[]

  private constructor(agent: FakeConsul, sidecar: Sidecar, log: readonly LogLine[]) {
    this.agent = agent
    this.sidecar = sidecar
    this.log = log
  }

  /** Starts a sidecar in front of the instances, as the service `orders`; it ends with the test. */
  static async start(
    instances: readonly Instance[],
    config: Partial<Config> = {},
    agent?: FakeConsul,
  ): Promise<Rig> {
    agent ??= await startAgent()
    if (instances.length > 0) register(agent, 'orders', ...instances)
    const log: LogLine[] = []
    const line =
      (level: LogLine['level']) =>
      (fields: object, message: string): void =>
        void log.push({ level, fields: { ...fields }, message })
    const sidecar = await startSidecar(
      { ...CONFIG, consul: agent.address, ...config },
      { info: line('info'), warn: line('warn'), error: line('error') },
    )
    onTestFinished(async () => {
      await sidecar.stop()
    })
    return new Rig(agent, sidecar, log)
  }

  get port(): number {
    return Number(new URL(this.sidecar.address).port)
  }

  /** Sends a request through the sidecar. */
  send(options: Sending = {}): Promise<Received> {
    return send(this.port, options)
  }

  /** Opens a connection to the sidecar and writes to it as it is. */
  raw(text: string): Connection {
    return new Connection(this.port, text)
  }

  async admin(path: string, method = 'GET'): Promise<Received> {
    return send(Number(new URL(this.sidecar.adminAddress).port), { path, method })
  }

  /** What `/endpoints` says of a service. */
  async inspect(service = 'orders'): Promise<ClientInspection> {
    const { text } = await this.admin('/endpoints')
    const { services } = JSON.parse(text) as { services: ClientInspection[] }
    const found = services.find((client) => client.service === service)
    if (found === undefined) throw new Error(`/endpoints says nothing of ${service}`)
    return found
  }

  async inflight(): Promise<number> {
    const { endpoints } = await this.inspect()
    return endpoints.reduce((sum, { inflight }) => sum + inflight, 0)
  }

  idle(): Promise<void> {
    return until('nothing is in flight', async () => (await this.inflight()) === 0)
  }
}

export interface Sending {
  readonly method?: string
  readonly path?: string
  readonly headers?: http.OutgoingHttpHeaders | readonly string[]
  readonly body?: string | Buffer
  readonly agent?: http.Agent
  /** Whom it comes from: on Linux all of 127.0.0.0/8 is this machine. */
  readonly localAddress?: string
}

export interface Received {
  readonly status: number
  readonly statusMessage: string
  readonly headers: http.IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
  readonly text: string
}

export async function send(port: number, options: Sending = {}): Promise<Received> {
  const { method = 'GET', path = '/', headers = { host: 'orders' }, body, agent = false } = options
  const request = http.request({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: headers as http.OutgoingHttpHeaders,
    agent,
    localAddress: options.localAddress,
  })
  request.end(body)
  return received(request)
}

/** The whole response to a request; rejects when it is aborted. */
export async function received(request: http.ClientRequest): Promise<Received> {
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  const whole = Buffer.concat(chunks)
  return {
    status: response.statusCode ?? 0,
    statusMessage: response.statusMessage ?? '',
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    trailers: response.trailers,
    body: whole,
    text: whole.toString(),
  }
}

/** What the sidecar says of itself in a failure. */
export interface ErrorBody {
  readonly error: string
  readonly service: string | undefined
  readonly message: string
}

export function errorOf({ text }: Received): ErrorBody {
  return JSON.parse(text) as ErrorBody
}

/** One connection, byte by byte. */
export class Connection {
  readonly socket: net.Socket
  /** Everything received, a byte a character. */
  received = ''
  ended = false
  closed = false

  constructor(port: number, text: string) {
    this.socket = net.connect(port, '127.0.0.1')
    this.socket.on('data', (chunk) => (this.received += chunk.toString('latin1')))
    this.socket.on('end', () => (this.ended = true))
    this.socket.on('close', () => (this.closed = true))
    this.socket.on('error', () => undefined)
    this.write(text)
    onTestFinished(() => void this.socket.destroy())
  }

  get statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status))
  }

  write(text: string): void {
    if (text !== '') this.socket.write(Buffer.from(text, 'latin1'))
  }

  /** Waits until this has been received. */
  async has(text: string | RegExp): Promise<void> {
    await until(`${String(text)} is received`, () =>
      typeof text === 'string' ? this.received.includes(text) : text.test(this.received),
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}; received: ${this.received.slice(-500)}`)
    })
  }

  /** Waits until the other side has closed, and says what it sent. */
  async end(): Promise<string> {
    await until('the connection is closed', () => this.closed)
    return this.received
  }
}
