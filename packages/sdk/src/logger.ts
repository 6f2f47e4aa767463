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
  return (shared ??= new DefaultLogger())
}

interface Line {
  readonly level: 'warn' | 'error'
  readonly fields: object
  readonly message: string
}

/**
 * pino, which programs with a logger of their own need not load. Lines from before it is there are kept, in order.
 *
 * By `import()`, which bundlers follow; they leave `createRequire(import.meta.url)` to fail where the bundle runs. And
 * when the logger is made, not for the first line: what there is to log may be a lack of descriptors or memory.
 */
class DefaultLogger implements Logger {
  /** Undefined until it is known. */
  #target: Logger | undefined
  readonly #kept: Line[] = []

  constructor() {
    // process.exit() does not wait for a module.
    const atExit = (): void => this.#writeTo(toConsole)
    process.once('exit', atExit)
    void import('pino')
      // A line in another form is better than none.
      .then(
        ({ pino }): Logger => pino({ name: 'fairlead', level: 'warn' }),
        () => toConsole,
      )
      .then((logger) => {
        process.off('exit', atExit)
        this.#writeTo(logger)
      })
  }

  /** Below the level. */
  info(): void {}

  warn(fields: object, message: string): void {
    this.#write({ level: 'warn', fields, message })
  }

  error(fields: object, message: string): void {
    this.#write({ level: 'error', fields, message })
  }

  #write(line: Line): void {
    if (this.#target === undefined) this.#kept.push(line)
    else this.#target[line.level](line.fields, line.message)
  }

  #writeTo(target: Logger): void {
    this.#target = target
    for (const { level, fields, message } of this.#kept.splice(0)) target[level](fields, message)
  }
}

const toConsole: Logger = {
  info: () => undefined,
  warn: (fields, message) => console.warn(message, fields),
  error: (fields, message) => console.error(message, fields),
}

// More than these make a message too long to read.
const SHOWN = 5

/** The first few of a list, for people, and how many more there are. */
export function few<T>(items: readonly T[], show: (item: T) => string): readonly string[] {
  const shown = items.slice(0, SHOWN).map(show)
  const more = items.length - shown.length
  return more > 0 ? [...shown, `and ${more} more`] : shown
}
