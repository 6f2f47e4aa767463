import type { WriteStream } from 'node:tty'

/** Where the demo is shown. */
export interface Screen {
  /** How often it wants to be shown the state of things, in milliseconds. */
  readonly everyMs: number
  readonly live: boolean
  readonly columns: number
  /** A line that stays. */
  say(line: string): void
  /** The state of things, in place of the one before. */
  show(block: string): void
  close(): void
}

// What the tables need; in less they would break into pieces.
const LEAST = { columns: 80, rows: 20 }

export function openScreen(stdout: WriteStream): Screen {
  const roomy = stdout.isTTY && stdout.columns >= LEAST.columns && stdout.rows >= LEAST.rows
  return roomy && process.env['TERM'] !== 'dumb' ? new Terminal(stdout) : new Log(stdout)
}

/** Lines that stay scroll away above a block that is redrawn in place. */
class Terminal implements Screen {
  readonly everyMs = 250
  readonly live = true
  readonly #stdout: WriteStream
  #block = ''

  constructor(stdout: WriteStream) {
    this.#stdout = stdout
    stdout.write('\x1b[?25l')
  }

  get columns(): number {
    return this.#stdout.columns
  }

  say(line: string): void {
    this.#stdout.write(`${this.#erase()}${line}\n${this.#block}`)
  }

  show(block: string): void {
    const erase = this.#erase()
    // A line that wraps would make the block higher than it is thought to be: so it does not wrap.
    this.#block = `\x1b[?7l${block}\x1b[?7h\n`
    this.#stdout.write(erase + this.#block)
  }

  close(): void {
    this.#stdout.write(`${this.#erase()}\x1b[?25h`)
    this.#block = ''
  }

  /** Moves up to where the block begins, and clears from there on. */
  #erase(): string {
    const lines = this.#block.split('\n').length - 1
    return lines === 0 ? '' : `\x1b[${lines}A\x1b[J`
  }
}

/** Everything stays, so that the whole can be read afterwards. */
class Log implements Screen {
  readonly everyMs = 2000
  readonly live = false
  readonly columns = 110
  readonly #stdout: WriteStream

  constructor(stdout: WriteStream) {
    this.#stdout = stdout
  }

  say(line: string): void {
    this.#stdout.write(`${line}\n`)
  }

  show(block: string): void {
    this.#stdout.write(`${block}\n`)
  }

  close(): void {
    // Nothing to restore.
  }
}
