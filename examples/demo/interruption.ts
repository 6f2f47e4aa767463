// 128 and the number of the signal, as shells have it.
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** The demo was asked to end. */
export class Interrupted extends Error {
  readonly exitCode: number

  constructor(signal: keyof typeof EXIT_CODES) {
    super(`${signal}: the demo ends here`)
    this.exitCode = EXIT_CODES[signal]
  }
}

// What was started has to end within this after the call to end: about 3 s at most, when Consul is just starting.
const PATIENCE_MS = 10_000

/** Turns everything that can end the demo early into one abort, so that there is one way to clean up. */
export function abortOnInterruption(stop: AbortController): void {
  for (const signal of Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[]) {
    // npm passes Ctrl-C on that the terminal has sent already: the second one changes nothing.
    process.on(signal, () => stop.abort(new Interrupted(signal)))
  }
  process.on('uncaughtException', (error) => stop.abort(error))
  // A pipe whose reader has left, such as `| head`: there is no one to tell.
  process.stdout.on('error', () => stop.abort(new Interrupted('SIGHUP')))
  stop.signal.addEventListener('abort', () => {
    // The watchdogs end what is left, once this process is gone.
    setTimeout(() => process.exit(1), PATIENCE_MS).unref()
  })
}
