import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock, Logger } from '@fairlead/sdk'

/** A line a second is what an operator needs to see that it goes on. */
const QUIET_MS = 1000

/** Connections that end as soon as they are accepted: with so few descriptors left, none is left for an instance. */
const LEFT = 2

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
  if (limit === undefined) return
  server.on('connection', (socket: Socket) => {
    if (descriptorOf(socket) >= limit - LEFT) {
      say({ code: 'EMFILE', limit }, `all ${limit} file descriptors of this process are in use: ${ADVICE}`)
    }
  })
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
