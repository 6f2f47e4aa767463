import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { shellWord, Watchdog } from './watchdog.js'

/** A folder of one test: gone when the test ends, however it ends. */
export class TempFolder implements AsyncDisposable {
  readonly path: string
  readonly #watchdog = new Watchdog()

  private constructor(path: string) {
    this.path = path
    this.#watchdog.arm(`rm -rf -- ${shellWord(path)}`)
  }

  /** @param prefix Of its name, so that what was left behind can be found. */
  static async create(prefix: string): Promise<TempFolder> {
    return new TempFolder(await mkdtemp(join(tmpdir(), prefix)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
    this.#watchdog.disarm()
  }
}
