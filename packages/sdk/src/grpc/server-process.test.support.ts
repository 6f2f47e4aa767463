import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterwards } from '../client.test.support.js'
import type { Instance } from '../discovery/resolver.js'
import { instanceAt } from '../testing/index.js'

// Text, so that the process needs no build. It ends with the one that has started it.
const PROGRAM = `
import { Server, ServerCredentials } from '@grpc/grpc-js'
const pack = (text) => Buffer.from(text)
const unpack = (bytes) => bytes.toString()
const codec = { requestSerialize: pack, requestDeserialize: unpack, responseSerialize: pack, responseDeserialize: unpack }
const server = new Server()
server.addService(
  {
    get: { path: '/orders.v1.Orders/Get', requestStream: false, responseStream: false, ...codec },
    list: { path: '/orders.v1.Orders/List', requestStream: false, responseStream: true, ...codec },
  },
  {
    get: (_call, answer) => setTimeout(() => answer(null, process.argv[1]), 1),
    list: (call) => call.write(process.argv[1]),
  },
)
process.stdin.on('end', () => process.exit()).resume()
server.bindAsync('127.0.0.1:' + process.argv[2], ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error
  console.log(String(port))
})
`

/** A server of gRPC in a process of its own, which can be killed and stopped as processes are. */
export class ServerProcess {
  readonly name: string
  #process: ChildProcess | undefined
  #port = 0

  constructor(name: string) {
    this.name = name
    afterwards(() => this.kill())
  }

  get instance(): Instance {
    return instanceAt(`http://${this.address}`)
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** On the port that it had before, if it had one. */
  async start(): Promise<this> {
    const args = ['--input-type=module', '--eval', PROGRAM, this.name, String(this.#port)]
    const child = spawn(process.execPath, args, {
      cwd: import.meta.dirname,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.#process = child
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    this.#port = Number(line.toString())
    return this
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal)
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}
