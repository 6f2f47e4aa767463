import { pino } from 'pino'

/**
 * What Fairlead needs of a logger: pino's own call shape, so that a pino instance fits as it is.
 * `info`: the set of instances changed. `warn`: something failed and Fairlead goes on without it.
 * `error`: something needs a person. `debug`, where the logger has it: each answer of discovery, each failed attempt.
 */
export interface Logger {
  /** Each answer of discovery, pick and failed attempt. May be missing. */
  debug?(fields: object, message: string): void
  /** The set of instances, or a registration, has changed. */
  info(fields: object, message: string): void
  /** Something has failed, and Fairlead goes on without it; the message says how. */
  warn(fields: object, message: string): void
  /** Something that a person has to mend. */
  error(fields: object, message: string): void
}

// One for all clients that bring none: each would be a stream of its own with hooks for the exit and a sync of the disk
// then, half of what making a client takes.
let shared: Logger | undefined

/** A pino logger on standard output from level `warn`: a library is quiet until something is wrong. */
export function defaultLogger(): Logger {
  return (shared ??= pino({ name: 'fairlead', level: 'warn' }))
}

// More than these make a message too long to read.
const SHOWN = 5

/** The first few of a list, for people, and how many more there are. */
export function few<T>(items: readonly T[], show: (item: T) => string): readonly string[] {
  const shown = items.slice(0, SHOWN).map(show)
  const more = items.length - shown.length
  return more > 0 ? [...shown, `and ${more} more`] : shown
}
