import { spawn, type ChildProcess } from 'node:child_process'
import { Socket } from 'node:net'

// Reads commands until the pipe ends, then runs the last. The pipe ends when this process does, be it by return,
// exception, signal or SIGKILL: the kernel closes it. So no handler is installed that could get in the host's
// way. (`setpriv --pdeathsig` needs no helper, but knows neither folders nor containers, and is Linux only.)
const script = 'while IFS= read -r line; do last=$line; done; eval "$last"'

/** Cleans up after this process if it ends before it could do so itself. */
export class Watchdog {
  readonly #shell: ChildProcess

  constructor() {
    // Detached, so that Ctrl-C reaches the host but not the one who cleans up after it.
    this.#shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
    this.#shell.unref()
    if (this.#shell.stdin instanceof Socket) this.#shell.stdin.unref()
    // If the watchdog was killed, that was at the risk of its killer; the host does not fail with it.
    this.#shell.stdin?.on('error', () => undefined)
    this.#shell.on('error', () => undefined)
  }

  /** The shell command to run at the end, in place of the one before. */
  arm(command: string): void {
    this.#shell.stdin?.write(`${command}\n`)
  }

  /** Ends the watchdog; nothing is run. */
  disarm(): void {
    this.#shell.stdin?.end(':\n')
  }
}

/** `text` as one word of a shell command. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
