import type { Logger } from '../logger.js'
import type { FairleadEvent, Subscriber } from './events.js'
import { LOG_LINES, type LogLine } from './log-lines.js'

/** Writes events to a logger: the first subscriber of every client and registration. */
export function logTo(logger: Logger): Subscriber {
  return {
    // Asked again now and then: the level may be another one by now.
    get traffic() {
      return hearsDebug(logger)
    },
    hear(event) {
      const line = lineOf(event)
      if (line === undefined) return
      if (line.level === 'debug') logger.debug?.(line.fields, line.message)
      else logger[line.level](line.fields, line.message)
    },
  }
}

function lineOf(event: FairleadEvent): LogLine | undefined {
  // The table has a line for each type, of that type; the compiler cannot tell that the two go together.
  const line = LOG_LINES[event.type] as ((event: FairleadEvent) => LogLine) | undefined
  return line?.(event)
}

/** Would lines of level `debug` be written? pino and winston can tell. */
function hearsDebug(logger: Logger): boolean {
  const { isLevelEnabled } = logger as { readonly isLevelEnabled?: (level: string) => boolean }
  return logger.debug !== undefined && isLevelEnabled?.call(logger, 'debug') !== false
}
