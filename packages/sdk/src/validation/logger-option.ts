import type { GenericSchema } from 'valibot'
import * as v from 'valibot'
import { asError, reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'
import { having } from './schemas.js'

/** A logger of the user's, such that no call of it throws: see {@link harmless}. */
export const loggerSchema: GenericSchema<unknown, Logger> = v.pipe(
  having<Logger>('a logger with info, warn and error, such as pino()', 'info', 'warn', 'error'),
  v.transform(harmless),
)

/** As loggers have it that can tell: pino and winston. */
type Leveled = Logger & { readonly isLevelEnabled?: (level: string) => boolean }

/**
 * The same logger; what it throws, or rejects with, costs the line that it was given, and nothing else: a stream that
 * has been destroyed is not a reason to stop following discovery, or to end the process. As the log cannot say so, a
 * warning of the process does, once.
 */
function harmless(logger: Leveled): Logger {
  let told = false

  function write(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void {
    const lost = (thrown: unknown): void => {
      if (told) return
      told = true
      const reason = reasonOf(asError(thrown))
      process.emitWarning(
        `the logger (option logger) threw in ${level}(): ${reason}; Fairlead goes on without the lines that it fails to write, the first of which is: ${message}`,
        'FairleadWarning',
      )
    }
    try {
      // Read each time: pino puts other methods in place when its level changes.
      const ended: unknown = logger[level]?.(fields, message)
      if (ended instanceof Promise) ended.catch(lost)
    } catch (thrown) {
      lost(thrown)
    }
  }

  const safe: Logger = {
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  }
  if (logger.debug === undefined) return safe
  return Object.assign(safe, {
    debug: (fields: object, message: string) => write('debug', fields, message),
    // Where the level is not to be had, what is below it is the logger's to drop.
    isLevelEnabled: (level: string) => {
      try {
        return logger.isLevelEnabled?.(level) !== false
      } catch {
        return true
      }
    },
  })
}
