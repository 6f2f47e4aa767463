import { writeSync } from 'node:fs'

/**
 * A line on standard output, which is out when this returns. `console.log` keeps what a slow reader leaves no room for,
 * after some 280 lines, and a process that is killed takes that with it.
 */
export function say(line: string): void {
  while (!written(`${line}\n`));
}

const SLEEPER = new Int32Array(new SharedArrayBuffer(4))

/** `false`: there is no room, and the pipe has been set not to block (`process.stdout` does that). */
function written(text: string): boolean {
  try {
    writeSync(1, text)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    Atomics.wait(SLEEPER, 0, 0, 1)
    return false
  }
}
