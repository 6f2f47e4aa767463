import type { Clock, Logger, Timer } from '@fairlead/sdk'

// One line in ten seconds is enough to notice; a service that is down for a night still writes 3,600 of them.
const WINDOW_MS = 10_000

// Names of services come from applications. Of one kind of warning, those about services beyond this number in a window
// are counted together: enough to understand, and as many as people read of a list.
const MAX_SERVICES = 5

// The code has fewer kinds; messages that differ each time are counted together beyond this number.
const MAX_KINDS = 50
const OTHERS = 'others'

/** One line, in one window. */
interface Line {
  /** Suppressed since it was last written. */
  repeats: number
  fields: object
  message: string
}

/** The lines of one kind, by service. */
interface Kind {
  readonly lines: Map<string, Line>
  /** Those about further services, together. */
  others: Line | undefined
  readonly names: Set<string>
}

/** As pino and winston have it. */
type LeveledLogger = Logger & { readonly isLevelEnabled: (level: string) => boolean }

/**
 * A logger that suppresses repeated warnings. Of warnings about the same service with the same code, the first is written
 * at once, and at the end of each window of 10 s the last one, with their number (`repeats`). Per code, five services have
 * lines of their own; all further ones are counted together (`services`: some of them). Level `debug` writes all of them.
 * Rate limits of log lines are from Envoy and the kernel (printk_ratelimit): a fault that hits every request must not fill
 * a disk, nor hide other lines.
 */
export function limitRepeats(logger: Logger, clock: Clock): Logger {
  const kinds = new Map<string, Kind>()
  let timer: Timer | undefined

  function endWindow(): void {
    timer = undefined
    for (const [code, kind] of kinds) {
      for (const [service, line] of kind.lines) {
        // No repeat for a window: the next one counts as new.
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
    // A pending line does not keep the process alive.
    ;(timer as Partial<NodeJS.Timeout>).unref?.()
  }

  /** Is it the first of its kind in this window? Otherwise counts it. */
  function isFirst(fields: object, message: string): boolean {
    const { service = '', code = message } = fields as { readonly service?: string; readonly code?: string }
    const kind = kindOf(code, kinds)
    const line = kind.lines.get(service)
    if (line !== undefined) {
      Object.assign(line, { repeats: line.repeats + 1, fields, message })
      return false
    }
    if (kind.lines.size < MAX_SERVICES) {
      kind.lines.set(service, { repeats: 0, fields, message })
      return true
    }
    kind.others = { repeats: (kind.others?.repeats ?? 0) + 1, fields, message }
    if (kind.names.size < MAX_SERVICES) kind.names.add(service)
    return false
  }

  const limited: LeveledLogger = {
    info: (fields, message) => logger.info(fields, message),
    error: (fields, message) => logger.error(fields, message),
    debug: (fields, message) => logger.debug?.(fields, message),
    // The SDK makes an event of each call and attempt where its logger would write them: 30% of a request's time.
    isLevelEnabled: (level) => (logger as Partial<LeveledLogger>).isLevelEnabled?.(level) !== false,
    warn(fields, message) {
      if (isFirst(fields, message)) logger.warn(fields, message)
      else logger.debug?.(fields, message)
      startWindow()
    },
  }
  return limited
}

function kindOf(code: string, kinds: Map<string, Kind>): Kind {
  const key = kinds.has(code) || kinds.size < MAX_KINDS ? code : OTHERS
  const known = kinds.get(key)
  if (known !== undefined) return known
  const kind: Kind = { lines: new Map(), others: undefined, names: new Set() }
  kinds.set(key, kind)
  return kind
}
