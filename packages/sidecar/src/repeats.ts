import type { Clock, Logger, Timer } from '@fairlead/sdk'

// One line in ten seconds is seen by whoever looks, and a service that is down for a night writes 3,600 of them.
const WINDOW_MS = 10_000

// Names of services come from applications: beyond so many different lines in a window they are counted together.
const MOST_KINDS = 100

/** One kind of line, in one window. */
interface Kind {
  repeats: number
  fields: object
  message: string
}

/**
 * A logger for what is logged for a request: of warnings about the same service with the same code the first is written
 * at once, and at the end of each window of 10 s the last one, with how many there were (`repeats`). At level `debug`
 * all of them are written. The rate is Envoy's and the kernel's idea (printk_ratelimit): a fault that hits every request
 * must not fill a disk, nor hide what else is logged.
 */
export function limitRepeats(logger: Logger, clock: Clock): Logger {
  const kinds = new Map<string, Kind>()
  let timer: Timer | undefined

  function endWindow(): void {
    timer = undefined
    for (const [key, { repeats, fields, message }] of kinds) {
      // Quiet for a window: the next one is news again.
      if (repeats === 0) kinds.delete(key)
      else {
        logger.warn({ ...fields, repeats, windowMs: WINDOW_MS }, message)
        kinds.set(key, { repeats: 0, fields, message })
      }
    }
    if (kinds.size > 0) startWindow()
  }

  function startWindow(): void {
    timer ??= clock.setTimer(endWindow, WINDOW_MS)
    // A line that is still to be written keeps no process alive.
    ;(timer as Partial<NodeJS.Timeout>).unref?.()
  }

  return {
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
    debug: (fields, message) => logger.debug?.(fields, message),
    warn(fields, message) {
      const key = keyOf(fields, message, kinds)
      const kind = kinds.get(key)
      if (kind === undefined) {
        kinds.set(key, { repeats: 0, fields, message })
        startWindow()
        logger.warn(fields, message)
      } else {
        kind.repeats++
        kind.fields = fields
        kind.message = message
        logger.debug?.(fields, message)
      }
    },
  }
}

function keyOf(fields: object, message: string, kinds: ReadonlyMap<string, Kind>): string {
  const { service = '', code = message } = fields as { readonly service?: string; readonly code?: string }
  const key = `${code} ${service}`
  return kinds.has(key) || kinds.size < MOST_KINDS ? key : `${code} of others`
}
