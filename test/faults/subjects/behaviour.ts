import { BODY } from '../answer.js'
import type { BehaviourName } from '../behaviours.js'
import type { Connection } from './connection.js'

/** What an instance does until it is told to do something else. */
export interface Behaviour {
  /** With the connections that are there. */
  begin?(): void
  connected?(connection: Connection): void
  /** A request has been read. */
  answer(connection: Connection): void
  end?(): void | Promise<void>
}

/** What a behaviour can do to its instance as a whole. */
export interface Host {
  readonly connections: ReadonlySet<Connection>
  listen(): Promise<void>
  stopListening(): void
}

// So long that some requests are in flight whenever a fault begins.
const SERVICE_MS = 2
const SLOW_MS = 2000
const PIECES = 10
const IDLE_CLOSE_MS = 50
// For the caller to have read what came before a reset, which may otherwise overtake it.
const APART_MS = 5

const OK = responseOf('200 OK', BODY)

export const makers: Readonly<Record<BehaviourName, (host: Host) => Behaviour>> = {
  serve: () => ({ answer: serve }),

  refuse: (host) => ({
    begin: () => host.stopListening(),
    answer: serve,
    end: () => host.listen(),
  }),

  'accept-and-hang': ({ connections }) => ({
    begin: () => {
      for (const connection of connections) connection.stopReading()
    },
    connected: (connection) => connection.stopReading(),
    answer: () => undefined,
    end: () => resetAll(connections),
  }),

  'reset-on-accept': ({ connections }) => ({
    begin: () => resetAll(connections),
    connected: (connection) => connection.reset(),
    answer: serve,
  }),

  'reset-before-head': () => ({ answer: (connection) => connection.reset() }),

  'reset-mid-body': () => ({
    answer: after(SERVICE_MS, (connection) => {
      connection.write(OK.slice(0, -BODY.length / 2))
      setTimeout(() => connection.reset(), APART_MS)
    }),
  }),

  'short-body': () => ({
    answer: after(SERVICE_MS, (connection) => {
      connection.answer(headOf('200 OK', 2 * BODY.length) + BODY)
      connection.end()
    }),
  }),

  garbage: () => ({
    answer: after(SERVICE_MS, (connection) => {
      connection.answer('\x16\x03\x01 this is another protocol\r\n\r\n')
      connection.end()
    }),
  }),

  'one-in-ten-reset': () => ({ answer: oneIn(10, (connection) => connection.reset()) }),
  'one-in-three-503': () => ({ answer: oneIn(3, responding('503 Service Unavailable')) }),
  'always-503': () => ({ answer: responding('503 Service Unavailable') }),
  'always-500': () => ({ answer: responding('500 Internal Server Error') }),
  'retry-after': () => ({ answer: responding('429 Too Many Requests', 'Retry-After: 1') }),

  'slow-head': () => ({ answer: after(SLOW_MS, (connection) => connection.answer(OK)) }),

  'slow-body': () => ({
    answer: after(SERVICE_MS, (connection) => {
      connection.write(headOf('200 OK', BODY.length))
      const length = BODY.length / PIECES
      for (let piece = 1; piece <= PIECES; piece++) {
        const bytes = BODY.slice((piece - 1) * length, piece * length)
        setTimeout(
          () => (piece === PIECES ? connection.answer(bytes) : connection.write(bytes)),
          (SLOW_MS * piece) / PIECES,
        )
      }
    }),
  }),

  hang: () => ({ answer: () => undefined }),

  'close-after-each': () => ({
    answer: after(SERVICE_MS, (connection) => {
      connection.answer(responseOf('200 OK', BODY, 'Connection: close'))
      connection.end()
    }),
  }),

  'close-silently': ({ connections }) => {
    let timer: NodeJS.Timeout | undefined
    const closeBehind = oneIn(
      2,
      after(SERVICE_MS, (connection) => {
        connection.answer(OK)
        connection.end()
      }),
    )
    return {
      begin: () => {
        timer = setInterval(() => {
          for (const connection of connections) if (connection.idle) connection.close()
        }, IDLE_CLOSE_MS)
      },
      answer: closeBehind,
      end: () => clearInterval(timer),
    }
  },
}

function serve(connection: Connection): void {
  setTimeout(() => connection.answer(OK), SERVICE_MS)
}

function after(ms: number, answer: (connection: Connection) => void): (connection: Connection) => void {
  return (connection) => void setTimeout(() => answer(connection), ms)
}

/** Every `n`th request is answered so, and the others as they should be. */
function oneIn(n: number, answer: (connection: Connection) => void): (connection: Connection) => void {
  let ordinal = 0
  return (connection) => {
    ordinal++
    if (ordinal % n === 0) answer(connection)
    else serve(connection)
  }
}

function responding(status: string, ...headers: readonly string[]): (connection: Connection) => void {
  const bytes = responseOf(status, 'no', ...headers)
  return after(SERVICE_MS, (connection) => connection.answer(bytes))
}

function responseOf(status: string, body: string, ...headers: readonly string[]): string {
  return headOf(status, body.length, ...headers) + body
}

function headOf(status: string, length: number, ...headers: readonly string[]): string {
  const lines = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json',
    `Content-Length: ${length}`,
    ...headers,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

function resetAll(connections: ReadonlySet<Connection>): void {
  for (const connection of connections) connection.reset()
}
