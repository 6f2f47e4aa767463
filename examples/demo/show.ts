import { styleText } from 'node:util'
import type { WriteStream } from 'node:tty'
import { Meter } from './meter.js'
import type { Orders } from './orders.js'
import { openScreen, type Screen } from './screen.js'
import type { Traffic } from './traffic.js'
import { asLines, asTables } from './view.js'

// Often enough for a window of two seconds to have an edge.
const SAMPLE_MS = 250

/** What people see: lines with the time of events, and below or between them the state of things. */
export class Show implements Disposable {
  readonly #screen: Screen
  readonly #timers: NodeJS.Timeout[] = []
  #title = ''

  constructor(stdout: WriteStream) {
    this.#screen = openScreen(stdout)
  }

  get columns(): number {
    return this.#screen.columns
  }

  /** An event. */
  say(text: string): void {
    this.#screen.say(`${elapsed()}  ${text}`)
  }

  /** A new chapter. */
  announce(title: string): void {
    this.#title = title
    this.say(this.#paint('bold', title))
  }

  /** Text as it is: the end of the show. */
  print(text: string): void {
    this.#screen.say(text)
  }

  good(text: string): string {
    return `${this.#paint('green', 'ok    ')} ${text}`
  }

  bad(text: string): string {
    return `${this.#paint('red', 'FAILED')} ${text}`
  }

  /** Shows from now on how the clients do. */
  follow(instances: readonly Orders[], clients: readonly Traffic[]): void {
    const meters = clients.map((client) => new Meter(client))
    const sample = (): void => {
      for (const meter of meters) meter.sample()
    }
    const draw = (): void => {
      const time = elapsed()
      this.#screen.show(
        this.#screen.live
          ? asTables(`${time}  ${this.#title}`, instances, meters)
          : asLines(time, instances, meters),
      )
    }
    this.#timers.push(setInterval(sample, SAMPLE_MS), setInterval(draw, this.#screen.everyMs))
  }

  /** The last picture goes, and the cursor comes back. */
  end(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#screen.close()
  }

  [Symbol.dispose](): void {
    this.end()
  }

  #paint(format: 'bold' | 'green' | 'red', text: string): string {
    return this.#screen.live ? styleText(format, text) : text
  }
}

/** Since the demo began. */
function elapsed(): string {
  return `${(performance.now() / 1000).toFixed(1).padStart(5)} s`
}
