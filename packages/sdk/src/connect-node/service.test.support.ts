import { create, toBinary } from '@bufbuild/protobuf'
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2'
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt'
import type { HandlerContext } from '@connectrpc/connect'
import { connectNodeAdapter } from '@connectrpc/connect-node'
import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { afterwards } from '../client.test.support.js'
import type { Instance } from '../discovery/resolver.js'
import { instanceAt } from '../testing/index.js'

type Text = typeof StringValueSchema

const TEXT = '.google.protobuf.StringValue'

// What protoc-gen-es makes of a .proto file, without protoc.
const file = create(FileDescriptorProtoSchema, {
  name: 'orders/v1/orders.proto',
  package: 'orders.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Orders',
      method: [
        { name: 'Get', inputType: TEXT, outputType: TEXT },
        { name: 'List', inputType: TEXT, outputType: TEXT, serverStreaming: true },
        { name: 'Place', inputType: TEXT, outputType: TEXT, clientStreaming: true },
        { name: 'Chat', inputType: TEXT, outputType: TEXT, clientStreaming: true, serverStreaming: true },
      ],
    },
  ],
})

export const Orders: GenService<{
  get: { methodKind: 'unary'; input: Text; output: Text }
  list: { methodKind: 'server_streaming'; input: Text; output: Text }
  place: { methodKind: 'client_streaming'; input: Text; output: Text }
  chat: { methodKind: 'bidi_streaming'; input: Text; output: Text }
}> = serviceDesc(
  fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64'), [
    file_google_protobuf_wrappers,
  ]),
  0,
)

interface Value {
  readonly value: string
}

/** A real server of gRPC and Connect over HTTP/2, which names itself in what it answers. */
export class ConnectServer {
  readonly name: string
  /** What `get` does; by default it answers. */
  onGet: (text: string, context: HandlerContext) => Promise<string> | string = () => this.name
  /** All that it was sent, in order. */
  readonly streams: ServerHttp2Stream[] = []
  readonly #sockets = new Set<Socket>()
  #server: Http2Server | undefined
  #port = 0

  constructor(name: string) {
    this.name = name
    afterwards(() => this.kill())
  }

  get instance(): Instance {
    return instanceAt(`http://127.0.0.1:${this.#port}`)
  }

  /** Connections to it. */
  get connections(): number {
    return this.#sockets.size
  }

  async start(): Promise<this> {
    const { name } = this
    const server = createServer(
      connectNodeAdapter({
        routes: (router) =>
          router.service(Orders, {
            get: async ({ value }, context) => ({ value: await this.onGet(value, context) }),
            list: async function* ({ value }, { signal }) {
              yield { value: name }
              if (value === 'open') await once(signal, 'abort')
            },
            place: async (requests: AsyncIterable<Value>) => {
              const got: string[] = []
              for await (const { value } of requests) got.push(value)
              return { value: `${name}: ${got.join(' ')}` }
            },
            chat: async function* (requests: AsyncIterable<Value>) {
              for await (const { value } of requests) yield { value: `${name}: ${value}` }
            },
          }),
      }),
    )
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
    server.on('stream', (stream: ServerHttp2Stream) => this.streams.push(stream))
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    return this
  }

  /** As a process that is killed: its connections break off. */
  async kill(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    server.close()
    for (const socket of this.#sockets) socket.destroy()
    await once(server, 'close')
  }
}

export async function connectServers<const N extends readonly string[]>(
  ...names: N
): Promise<{ -readonly [K in keyof N]: ConnectServer }> {
  const started = await Promise.all(names.map((name) => new ConnectServer(name).start()))
  return started as { -readonly [K in keyof N]: ConnectServer }
}
