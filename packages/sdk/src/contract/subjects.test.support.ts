import { Agent, Client as UndiciClient, Pool, type Dispatcher } from 'undici'
import { createClient } from '../client.js'
import type { Client } from '../client-interface.js'
import { fixedResolver } from '../discovery/fixed-resolver.js'
import type { ClientOptions } from '../client-options.js'
import { startServer, type ServerScript, type TestServer } from './server.test.support.js'
import { errorText, type Trace } from './trace.test.support.js'

export type SubjectName = 'undici' | 'fairlead'

/** One of the two that are compared, with a server of its own. */
export interface Subject {
  readonly name: SubjectName
  readonly dispatcher: Dispatcher
  /** What to put before a path for `fetch` and its like. */
  readonly origin: string
  readonly server: TestServer
  readonly trace: Trace
  readonly client: Client | undefined
}

export interface World {
  readonly server?: ServerScript
  /** For both. */
  readonly connections?: number
  /** `Agent` for what names an origin; `Client` for what `dispatch` returns, which a Pool takes no note of. */
  readonly against?: 'Agent' | 'Client' | 'Pool'
  readonly options?: ClientOptions
}

export type Scenario = (subject: Subject) => Promise<void>

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** How long an end may take that has nothing to wait for. */
const SOON_MS = 3000

/** Runs a case on one of the two and returns what was seen. */
export async function runOn(name: SubjectName, world: World, scenario: Scenario): Promise<Trace> {
  const trace: Trace = { handler: [], caller: [], server: [], uncaught: [], closed: '' }
  const server = await startServer(world.server ?? {})
  const subject = { ...make(name, world, server), server, trace }
  const release = takeUncaught(trace)
  try {
    await scenario(subject)
    trace.closed = await closing(subject.dispatcher)
    await subject.dispatcher.destroy()
    await inTime(server.quiet(), 'the server still has connections')
    await turns(3)
  } finally {
    trace.server = server.requests
    release()
    await server.close()
  }
  return trace
}

function make(name: SubjectName, world: World, server: TestServer): Omit<Subject, 'server' | 'trace'> {
  const { connections, against = 'Pool', options } = world
  if (name === 'undici') {
    const common = connections === undefined ? {} : { connections }
    const dispatcher =
      against === 'Pool'
        ? new Pool(server.origin, common)
        : against === 'Client'
          ? new UndiciClient(server.origin)
          : new Agent(common)
    return { name, dispatcher, origin: server.origin, client: undefined }
  }
  const client = createClient('orders', {
    resolver: fixedResolver([server.origin]),
    logger: silent,
    retry: false,
    breaker: false,
    ...(connections === undefined ? {} : { connections: { maxPerEndpoint: connections } }),
    ...options,
  })
  return { name, dispatcher: client.dispatcher, origin: 'http://orders', client }
}

async function closing(dispatcher: Dispatcher): Promise<string> {
  const end = dispatcher.close().then(
    () => 'closed',
    (error: unknown) => errorText(error),
  )
  return inTime(end, 'close() hangs')
}

async function inTime<T>(promise: Promise<T>, otherwise: string): Promise<T | string> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<string>((resolve) => (timer = setTimeout(() => resolve(otherwise), SOON_MS)))
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Lets the event loop turn. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Uncaught errors belong to the case, which is about them, and not to the runner. */
function takeUncaught(trace: Trace): () => void {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const note = (error: unknown): void => void trace.uncaught.push(errorText(error))
  const saved = events.map((event) => process.listeners(event as 'uncaughtException'))
  for (const event of events) {
    process.removeAllListeners(event)
    process.on(event, note)
  }
  return () => {
    events.forEach((event, index) => {
      process.removeListener(event, note)
      for (const listener of saved[index] ?? []) process.on(event as 'uncaughtException', listener)
    })
  }
}
