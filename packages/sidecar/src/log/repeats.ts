import type { Clock, Logger, Timer } from '@fairlead/sdk'

// One line in ten seconds is seen by whoever looks, and a service that is down for a night writes 3,600 of them.
const WINDOW_MS = 10_000

// Names of services come from applications, so of one kind of warning those about more services than these in a window
// are counted together: enough to see what goes on, and no more than people read of a list.
const MOST_SERVICES = 5

// There are fewer kinds than this in the code; what has a text of its own each time is counted together beyond it.
const MOST_KINDS = 50
const OTHERS = 'others'

/** One line, in one window. */
interface Line {
  /** Since it was last written. */
  repeats: number
  fields: object
  message: string
}

/** The lines of one kind, by service. */
interface Kind {
  readonly lines: Map<string, Line>
  /** What there is about further services. */
  others: Line | undefined
  readonly names: Set<string>
}

/**
 * A logger that suppresses repeats: of warnings about the same service with the same code the first is written at once,
 * and at the end of each window of 10 s the last one, with how many there were (`repeats`). Of one code five services
 * have lines of their own, and all further ones together a count (`services`: some of them). At level `debug` all of them
 * are written. The rate is Envoy's and the kernel's idea (printk_ratelimit): a fault that hits every request must not
 * fill a disk, nor hide what else is logged.
 */
export function limitRepeats(logger: Logger, clock: Clock): Logger {
  const kinds = new Map<string, Kind>()
  let timer: Timer | undefined

  function endWindow(): void {
    timer = undefined
    for (const [code, kind] of kinds) {
      for (const [service, line] of kind.lines) {
        // Quiet for a window: the next one is news again.
        if (line.repeats === 0) kind.lines.delete(service)
        else writeCount(line)
      }
      if (kind.others !== undefined) {
        writeCount(kind.others, { service: undefined, services: [...kind.names] })
        kind.others = undefined
        kind.names.clear()
      }
      if (kind.lines.size === 0) kinds.delete(code)
    }
    if (kinds.size > 0) startWindow()
  }

  function writeCount(line: Line, more: object = {}): void {
    logger.warn({ ...line.fields, ...more, repeats: line.repeats, windowMs: WINDOW_MS }, line.message)
    line.repeats = 0
  }

  function startWindow(): void {
    timer ??= clock.setTimer(endWindow, WINDOW_MS)
    // A line that is still to be written keeps no process alive.
    ;(timer as Partial<NodeJS.Timeout>).unref?.()
  }

  /** Is it the first of its kind, which is written at once? */
  function isNews(fields: object, message: string): boolean {
    const { service = '', code = message } = fields as { readonly service?: string; readonly code?: string }
    const kind = kindOf(code, kinds)
    const line = kind.lines.get(service)
    if (line !== undefined) {
      Object.assign(line, { repeats: line.repeats + 1, fields, message })
      return false
    }
    if (kind.lines.size < MOST_SERVICES) {
      kind.lines.set(service, { repeats: 0, fields, message })
      return true
    }
    kind.others = { repeats: (kind.others?.repeats ?? 0) + 1, fields, message }
    if (kind.names.size < MOST_SERVICES) kind.names.add(service)
    return false
  }

  return {
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
    debug: (fields, message) => logger.debug?.(fields, message),
    warn(fields, message) {
      if (isNews(fields, message)) logger.warn(fields, message)
      else logger.debug?.(fields, message)
      startWindow()
    },
  }
}

function kindOf(code: string, kinds: Map<string, Kind>): Kind {
  const key = kinds.has(code) || kinds.size < MOST_KINDS ? code : OTHERS
  const known = kinds.get(key)
  if (known !== undefined) return known
  const kind: Kind = { lines: new Map(), others: undefined, names: new Set() }
  kinds.set(key, kind)
  return kind
}
