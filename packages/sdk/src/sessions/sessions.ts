import type { Candidate } from '../balance/picker.js'
import type { RequestFields } from '../hashing/request-fields.js'
import { sessionCarrier, type SessionCarrier } from './session-carrier.js'
import { SessionNames } from './session-names.js'
import type { StickySettings } from './sticky-options.js'

/** The sessions of a client: read from requests, looked up for a pick, written to responses. */
export class Sessions<E extends Candidate = Candidate> {
  readonly #carrier: SessionCarrier
  /** Of each secret, the one that signs first. */
  readonly #names: readonly [SessionNames<E>, ...SessionNames<E>[]]

  constructor({ carrier, secrets }: StickySettings, service: string) {
    this.#carrier = sessionCarrier(carrier)
    this.#names = secrets.map((secret) => new SessionNames<E>(secret, service)) as [SessionNames<E>]
  }

  /** Makes ready for these endpoints, in steps for a turn of the event loop each. */
  *prepare(endpoints: Iterable<E>): Generator<void, void> {
    for (const names of this.#names) yield* names.prepare(endpoints)
  }

  /** From now on these are the endpoints. */
  adopt(endpoints: readonly E[]): void {
    for (const names of this.#names) names.adopt(endpoints)
  }

  /** What a request says is its session; not verified. Its headers must be such that they can be read again. */
  read(headers: RequestFields['headers']): string | undefined {
    return this.#carrier.read(headers)
  }

  /** The endpoint that a session is on. `undefined`: no secret of ours has signed it, or its endpoint is gone. */
  find(session: string): E | undefined {
    for (const names of this.#names) {
      const endpoint = names.find(session)
      if (endpoint !== undefined) return endpoint
    }
    return undefined
  }

  /** The head of a response of this endpoint: with a session on it, unless that is what the request had. */
  stamp(headers: Buffer[], request: RequestFields['headers'], endpoint: E): Buffer[] {
    // The one of the newest secret: a session that an older one has signed is given a new token, or could never end.
    const token = this.#names[0].pass(endpoint)?.token
    // A request without a session may learn it anyway: how long this comparison takes is not a secret.
    return token === undefined || token === this.read(request) ? headers : this.#carrier.write(headers, token)
  }
}
