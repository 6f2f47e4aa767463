import { readdirSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'

/** One log line a second shows an operator that it goes on. */
const QUIET_MS = 1000

/** A connection with one of the last numbers means that all others are in use: none is left for an instance. */
const LEFT = 2

/** For Consul, the admin port, name look-ups and reloaded files. */
const RESERVED = 16

const ADVICE =
  'closing new connections until descriptors are free; raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker)'

/**
 * Logs when this process has no descriptor left for a connection of an application, and keeps it alive meanwhile.
 *
 * libuv hides it: out of descriptors, it frees one that it keeps in reserve, accepts with it and closes, so that the
 * server is not notified. But the system assigns the lowest free number, so a connection whose number is one of the last
 * means that all others are in use. Where libuv has nothing to free, or memory is short, the server emits an error; the
 * next connection is accepted as usual.
 *
 * @param limit The limit of descriptors; undefined: unknown.
 */
export function watchDescriptors(
  server: Server,
  limit: number | undefined,
  logger: Logger,
  clock: Clock,
): void {
  let quietUntil = -Infinity
  const report = (fields: object, message: string): void => {
    const now = clock.now()
    if (now < quietUntil) return
    quietUntil = now + QUIET_MS
    logger.error(fields, message)
  }
  server.on('error', (error: NodeJS.ErrnoException) => {
    // A failure to listen is for the caller of `listen`.
    if (server.listening)
      report({ code: error.code }, `a connection could not be accepted (${error.message}); ${ADVICE}`)
  })
  server.on('drop', () => {
    const { maxConnections } = server
    const fields = { code: 'EMFILE', limit, connections: maxConnections }
    report(
      fields,
      `${maxConnections} connections of applications are open, as many as half of the descriptors allow; ${ADVICE}`,
    )
  })
  if (limit === undefined) return
  server.on('connection', (socket: Socket) => {
    if (descriptorOf(socket) >= limit - LEFT) {
      report({ code: 'EMFILE', limit }, `all ${limit} file descriptors of this process are in use; ${ADVICE}`)
    }
  })
}

/**
 * Limits connections of applications to half of the descriptors that are free when the server begins to listen, so that
 * there is one to an instance for each, as HAProxy computes its `maxconn`: every accepted connection can be served.
 */
export function limitConnections(server: Server, limit: number): void {
  server.once('listening', () => {
    server.maxConnections = Math.max(1, Math.floor((limit - RESERVED - descriptorsInUse()) / 2))
  })
}

function descriptorsInUse(): number {
  return readdirSync('/proc/self/fd').length
}

/** The limit of descriptors of this process; undefined where the system has no /proc, unlike Linux. */
export function descriptorLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** -1 where the system has none, as on Windows. */
function descriptorOf(socket: Socket): number {
  return (socket as Socket & { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1
}
