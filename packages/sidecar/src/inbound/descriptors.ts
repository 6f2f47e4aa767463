import { readdirSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'

/** A line a second is what an operator needs to see that it goes on. */
const QUIET_MS = 1000

/** A connection with one of the last numbers says that all others are taken: none is left for an instance. */
const LEFT = 2

/** For Consul, the admin port, name look-ups and files that are read again. */
const RESERVED = 16

const ADVICE =
  'connections are turned away until descriptors are free: raise the limit (ulimit -n, LimitNOFILE of systemd, --ulimit nofile of Docker)'

/**
 * Says when this process has no descriptor left for a connection of an application, and keeps it alive through that.
 *
 * libuv hides it: out of descriptors, it gives up one that it keeps for this, accepts with it and closes, so that the
 * server hears of nothing. But the system hands out the lowest number that is free, so that a connection whose number is
 * one of the last says that all others are taken. Where libuv has nothing to give up, or memory is short, the server has
 * an error; the next connection is accepted as ever.
 *
 * @param limit How many there may be; undefined: not known.
 */
export function watchDescriptors(
  server: Server,
  limit: number | undefined,
  logger: Logger,
  clock: Clock,
): void {
  let quietUntil = -Infinity
  const say = (fields: object, message: string): void => {
    const now = clock.now()
    if (now < quietUntil) return
    quietUntil = now + QUIET_MS
    logger.error(fields, message)
  }
  server.on('error', (error: NodeJS.ErrnoException) => {
    // One of listening is its caller's.
    if (server.listening)
      say({ code: error.code }, `a connection could not be accepted (${error.message}): ${ADVICE}`)
  })
  server.on('drop', () => {
    const { maxConnections } = server
    const fields = { code: 'EMFILE', limit, connections: maxConnections }
    say(fields, `${maxConnections} connections of applications are open, half of the descriptors: ${ADVICE}`)
  })
  if (limit === undefined) return
  server.on('connection', (socket: Socket) => {
    if (descriptorOf(socket) >= limit - LEFT) {
      say({ code: 'EMFILE', limit }, `all ${limit} file descriptors of this process are in use: ${ADVICE}`)
    }
  })
}

/**
 * Takes no more connections of applications than there is one to an instance for: half of the descriptors that are free
 * when it begins to listen, as HAProxy computes its `maxconn`. All that are accepted can be served then.
 */
export function limitConnections(server: Server, limit: number): void {
  server.once('listening', () => {
    server.maxConnections = Math.max(1, Math.floor((limit - RESERVED - descriptorsInUse()) / 2))
  })
}

function descriptorsInUse(): number {
  return readdirSync('/proc/self/fd').length
}

/** The process' limit of descriptors; undefined where the system does not tell it in a file, as Linux does. */
export function descriptorLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files +(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === undefined ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

/** -1 where there are none, as on Windows. */
function descriptorOf(socket: Socket): number {
  return (socket as Socket & { readonly _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1
}
