import { ConsulError } from '../consul/consul-error.js'
import { reasonOf } from '../errors.js'
import type { Logger } from '../logger.js'

/** What an operator reads of an instance's upkeep: one line when something changes, none for each try. */
export class UpkeepLog {
  readonly #fields: { readonly service: string; readonly id: string }
  readonly #logger: Logger

  constructor({ name, id }: { readonly name: string; readonly id: string }, logger: Logger) {
    this.#fields = { service: name, id }
    this.#logger = logger
  }

  registered(): void {
    this.#logger.info(this.#fields, 'registered')
  }

  answersAgain(agent: string): void {
    this.#logger.info(this.#fields, `${agent} answers again`)
  }

  forgotten(error: Error): void {
    this.#logger.warn(this.#fields, `${error.message}: the instance is registered again`)
  }

  superseded(): void {
    this.#logger.warn(
      this.#fields,
      'another process has registered under this id: the registration is left to it; ' +
        'give each process an id of its own (option id) where both are to serve',
    )
  }

  takesOver(): void {
    this.#logger.info(this.#fields, 'the other process has left: the instance is registered again')
  }

  /** @param before Did it go well before? */
  failed(error: Error, before: boolean): void {
    const fields = { ...this.#fields, reason: reasonOf(error) }
    const message = before
      ? 'the instance cannot be kept registered: its heart-beats are tried again'
      : 'the instance cannot be registered: it is tried again'
    // What the agent refuses it may take later, with other ACLs or another version; but a person has to see to that.
    if (isRefusal(error)) this.#logger.error(fields, message)
    else this.#logger.warn(fields, message)
  }
}

function isRefusal(error: Error): boolean {
  const status = error instanceof ConsulError ? error.statusCode : undefined
  return status !== undefined && status >= 400 && status < 500 && status !== 429
}
