import {
  Client as GrpcClient,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type status as Status,
  type ChannelOptions,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerOptions,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
} from '@grpc/grpc-js'
import { afterwards } from '../client.test.support.js'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import type { ClientOptions } from '../client-options.js'
import type { Instance } from '../discovery/resolver.js'
import { FakeResolver, instanceAt } from '../testing/index.js'
import { balancedBy } from './balanced-by.js'

const pack = (text: string): Buffer => Buffer.from(text)
const unpack = (bytes: Buffer): string => bytes.toString()

function method(name: string, requestStream: boolean, responseStream: boolean): ServiceDefinition[string] {
  return {
    path: `/orders.v1.Orders/${name}`,
    ...{ requestStream, responseStream },
    ...{ requestSerialize: pack, requestDeserialize: unpack },
    ...{ responseSerialize: pack, responseDeserialize: unpack },
  }
}

const ORDERS: ServiceDefinition = {
  get: method('Get', false, false),
  list: method('List', false, true),
  place: method('Place', true, false),
  chat: method('Chat', true, true),
}

type Unary = (call: ServerUnaryCall<string, string>, answer: sendUnaryData<string>) => void

/** A real server of gRPC, which names itself in what it answers. */
export class OrdersServer {
  readonly name: string
  /** What came, by method. */
  readonly calls: string[] = []
  /** What `get` does; by default it answers. */
  onGet: Unary = (_call, answer) => answer(null, this.name)
  readonly #options: ServerOptions
  #server: Server | undefined
  #port = 0

  constructor(name: string, options: ServerOptions = {}) {
    this.name = name
    this.#options = options
    afterwards(() => this.kill())
  }

  get instance(): Instance {
    return instanceAt(`http://127.0.0.1:${this.#port}`)
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** On the port that it had before, if it had one. */
  async start(): Promise<this> {
    const server = new Server(this.#options)
    server.addService(ORDERS, {
      get: ((call, answer) => {
        this.calls.push('get')
        this.onGet(call, answer)
      }) satisfies Unary,
      list: (call: ServerWritableStream<string, string>) => {
        this.calls.push('list')
        call.write(this.name)
        // Ends when it is asked for nothing more.
        if (call.request !== 'open') call.end()
      },
      place: (call: ServerReadableStream<string, string>, answer: sendUnaryData<string>) => {
        this.calls.push('place')
        const got: string[] = []
        call.on('data', (text: string) => got.push(text))
        call.on('end', () => answer(null, `${this.name}: ${got.join(' ')}`))
        call.on('error', () => undefined)
      },
      chat: (call: ServerDuplexStream<string, string>) => {
        this.calls.push('chat')
        call.on('data', (text: string) => call.write(`${this.name}: ${text}`))
        call.on('end', () => call.end())
        call.on('error', () => undefined)
      },
    })
    this.#server = server
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${this.#port}`, ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      )
    })
    return this
  }

  /** Takes no new calls, and lets those that it has finish. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#server === undefined) resolve()
      else this.#server.tryShutdown(() => resolve())
    })
  }

  /** As a process that is killed: its connections break off. */
  // eslint-disable-next-line @typescript-eslint/require-await -- Awaited by the one who tidies up.
  async kill(): Promise<void> {
    this.#server?.forceShutdown()
    this.#server = undefined
  }
}

export async function server(name: string, options: ServerOptions): Promise<OrdersServer> {
  return new OrdersServer(name, options).start()
}

export async function servers<const N extends readonly string[]>(
  ...names: N
): Promise<{ -readonly [K in keyof N]: OrdersServer }> {
  const started = await Promise.all(names.map((name) => new OrdersServer(name).start()))
  return started as { -readonly [K in keyof N]: OrdersServer }
}

/** A stub as it would be generated, by hand. */
export class OrdersStub extends GrpcClient {
  get(
    text = 'any',
    { deadline, metadata }: { deadline?: number; metadata?: Metadata } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      this.makeUnaryRequest(
        ...(['/orders.v1.Orders/Get', pack, unpack, text] as const),
        metadata ?? new Metadata(),
        deadline === undefined ? {} : { deadline },
        (error, value) => (error === null ? resolve(value ?? '') : reject(error)),
      )
    })
  }

  list(text = 'any'): ReturnType<typeof this.makeServerStreamRequest<string, string>> {
    return this.makeServerStreamRequest('/orders.v1.Orders/List', pack, unpack, text)
  }

  place(...texts: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const call = this.makeClientStreamRequest<string, string>(
        ...(['/orders.v1.Orders/Place', pack, unpack] as const),
        (error, value) => (error === null ? resolve(value ?? '') : reject(error)),
      )
      for (const text of texts) call.write(text)
      call.end()
    })
  }

  chat(): ReturnType<typeof this.makeBidiStreamRequest<string, string>> {
    return this.makeBidiStreamRequest('/orders.v1.Orders/Chat', pack, unpack)
  }
}

export interface Stage {
  readonly orders: Client
  readonly resolver: FakeResolver
  readonly stub: OrdersStub
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A client on what the test lists, and a stub on the client. */
export function stage(options: ClientOptions = {}, channel: ChannelOptions = {}): Stage {
  const resolver = new FakeResolver()
  const orders = createClient('orders', { resolver, logger: silent, balancer: 'round_robin', ...options })
  const stub = stubOf(orders, channel)
  afterwards(async () => {
    stub.close()
    await orders.close({ timeoutMs: 0 })
  })
  return { orders, resolver, stub }
}

export function stubOf(orders: Client, channel: ChannelOptions = {}): OrdersStub {
  // A pool of its own: a connection of another test must not be found.
  const own = { 'grpc.use_local_subchannel_pool': 1, 'grpc.initial_reconnect_backoff_ms': 50, ...channel }
  return new OrdersStub('fairlead:orders', credentials.createInsecure(), balancedBy(orders, own))
}

/** The same with these servers listed. */
export async function staged(
  listed: readonly OrdersServer[],
  options: ClientOptions = {},
  channel: ChannelOptions = {},
): Promise<Stage> {
  const made = stage(options, channel)
  list(made, listed)
  await made.orders.ready()
  return made
}

export function list({ resolver }: Stage, listed: readonly OrdersServer[]): void {
  resolver.snapshot(listed.map(({ instance }) => instance))
}

/** A failing answer. */
export function failWith(code: Status, details = 'as told'): Unary {
  return (_call, answer) => answer({ code, details })
}
