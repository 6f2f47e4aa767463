import {
  createClient,
  dnsResolver,
  fileResolver,
  fixedResolver,
  register,
  type Client,
  type HealthCheckOptions,
  type Resolver,
} from '@fairlead/sdk'
import { say } from './say.js'

// A program that uses a client, closes nothing, and comes to its last line: exit-program.js <stage> <service> <source>.
// It says "done" there, and whether the process then ends is for Node to decide.

const [stage = '', service = '', source = '{}'] = process.argv.slice(2)
const given = JSON.parse(source) as {
  readonly consul?: string
  readonly origins?: readonly string[]
  readonly path?: string
  readonly healthCheck?: HealthCheckOptions
  readonly protocol?: 'http2'
  readonly dns?: { readonly servers: readonly string[]; readonly name: string; readonly port: number }
}

function resolverOf(): Resolver | undefined {
  if (given.origins !== undefined) return fixedResolver(given.origins)
  if (given.path !== undefined) return fileResolver({ path: given.path })
  return given.dns === undefined ? undefined : dnsResolver(given.dns)
}

async function sayAnswer(client: Client): Promise<void> {
  const { statusCode, body } = await client.request({ path: '/' })
  say(`${statusCode} ${await body.text()}`)
}

/** After some time that keeps no process alive: only what is tried here can. */
function aWhile(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 300).unref())
}

/** Knows where to send requests only after a while, and does not end when it is told to. */
const late: Resolver = {
  name: 'a late list',
  async *watch(name, signal) {
    await aWhile()
    yield* fixedResolver(given.origins ?? []).watch(name, signal)
    await new Promise(() => undefined)
  },
}

function open(): Client {
  const { consul, healthCheck, protocol } = given
  return createClient(service, {
    consul: { address: consul },
    resolver: resolverOf(),
    healthCheck,
    connections: { protocol },
  })
}

const stages: Readonly<Record<string, () => Promise<void>>> = {
  async idle() {
    open()
    await Promise.resolve()
  },
  async ready() {
    await open().ready()
  },
  async request() {
    await sayAnswer(open())
  },
  async 'request, with a listener'() {
    const client = open()
    client.onDiscovery(({ freshness }) => freshness)
    await sayAnswer(client)
  },
  async 'health checks'() {
    await open().ready()
    // Long enough for one to be under way at any moment.
    await new Promise((resolve) => setTimeout(resolve, 500))
  },
  async 'wait for discovery'() {
    const waiting = createClient(service, { resolver: late, timeoutMs: Infinity })
    const { statusCode } = await waiting.request({ path: '/' })
    say(String(statusCode))
  },
  async 'wait for readiness'() {
    await createClient(service, { resolver: late }).ready({ timeoutMs: Infinity })
  },
  async 'wait for the end'() {
    const ending = createClient(service, { resolver: late })
    await ending.ready()
    await ending.close()
  },
  async registration() {
    const registration = register({
      name: service,
      port: 1,
      address: '127.0.0.1',
      consul: { address: given.consul },
    })
    await registration.ready()
    await aWhile()
    await registration.deregister()
  },
}

await stages[stage]?.()
say('done')
