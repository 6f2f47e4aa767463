import type { Judged } from '../judge.js'

/** A request that has been sent, and has no response head. */
export interface Owing {
  /** Where it stands among those of its endpoint; negative: nowhere. Written by {@link Silence}. */
  owedPlace: number
  /** Its endpoint is stalled. */
  onStalled(): void
}

/** What is watched for a stall. */
export interface Watched extends Judged {
  /**
   * Asks it, on a connection of its own, for something that takes no work, and calls back what has come of it: perhaps
   * never. Returns how to stop waiting.
   */
  ping(onResult: (pong: Pong) => void): () => void
}

/** `unreachable`: no connection, or one that has failed. `unknown`: this process or machine has nothing left to ask with. */
export type Pong = 'answered' | 'unreachable' | 'unknown'

/** May a request of ours be sent now? */
export type Allowance = () => boolean

const REASON = 'stalled'

// Each alarm that ends by a byte doubles what it takes for the next one, up to 64 times: the service has requests that take
// long, or works on one at a time.
const MOST_PATIENCE = 64
const PATIENCE_MS = 30_000

// A ping that is not answered is sent anew on a connection of its own, as the system resends on an old one ever more rarely.
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 5000

/**
 * The silence of one endpoint, as its {@link StallDetector} looks at it in turns: what it owes, what has been heard of it
 * since, and what that means. Silence while it owes answers makes it suspect, and it is asked something that takes no work;
 * where that is not answered either, it is stalled until a byte comes.
 */
export class Silence {
  /** Pieces of responses ever heard; written by its requests, with each. */
  heard = 0
  readonly #endpoint: Watched
  readonly #begin: () => void
  readonly #owing: Owing[] = []
  #seen = 0
  #state: 'quiet' | 'suspect' | 'stalled' = 'quiet'
  /** How long it has been silent while it owed, or been suspect; negative: it owed nothing at the last look. */
  #silentMs = -1
  #patience = 1
  #patientUntil = 0
  /** Questions so far, and the last one that has come to something. */
  #asked = 0
  #told = 0
  /** Ends the question that is under way. */
  #endPing: (() => void) | undefined
  /** Until one that is stalled is asked again. */
  #pauseMs = 0
  #nextPauseMs = FIRST_PAUSE_MS
  #closed = false

  /** @param begin It owes something, and has not before. */
  constructor(endpoint: Watched, begin: () => void) {
    this.#endpoint = endpoint
    this.#begin = begin
  }

  /** Does it have to be looked at? */
  get active(): boolean {
    return !this.#closed && (this.#owing.length > 0 || this.#state !== 'quiet')
  }

  /** Has it been asked, and is nothing known yet? */
  get suspect(): boolean {
    return this.#state === 'suspect'
  }

  /** Is nothing held against it? */
  get quiet(): boolean {
    return this.#state === 'quiet' && !this.#closed
  }

  owe(request: Owing): void {
    if (this.#closed || request.owedPlace >= 0) return
    request.owedPlace = this.#owing.length
    this.#owing.push(request)
    if (this.#owing.length === 1) this.#begin()
  }

  /** It is answered, or nobody waits for it any more; whether it was owed or not. */
  settle(request: Owing): void {
    const { owedPlace } = request
    if (owedPlace < 0) return
    request.owedPlace = -1
    const last = this.#owing.pop()
    if (last === undefined || last === request) return
    this.#owing[owedPlace] = last
    last.owedPlace = owedPlace
  }

  /** Has a byte come since the last look? */
  listen(now: number): boolean {
    if (this.heard === this.#seen) return false
    this.#seen = this.heard
    // What it owes now was sent since, perhaps just now: it counts from the next look on.
    this.#silentMs = -1
    if (this.#state !== 'quiet') this.#recover(now)
    return true
  }

  /**
   * It has not been heard for another `stepMs`.
   *
   * @param limitMs A longer silence is suspect.
   * @param othersHeard Do other endpoints answer? If none does, it may be us, and it is not stalled.
   */
  look(stepMs: number, limitMs: number, othersHeard: boolean, allowance: Allowance, now: number): void {
    if (this.#state === 'stalled') this.#await(stepMs, allowance)
    else if (this.#state === 'quiet' && this.#owing.length === 0) this.#silentMs = -1
    // What it owes may have been sent just now: from here on.
    else if (this.#silentMs < 0) this.#silentMs = 0
    else this.#count(stepMs, limitMs, othersHeard, allowance, now)
  }

  /** It is asked to hear whether it is us that hear nothing, and nothing is held against it. Says whether it is. */
  consult(allowance: Allowance): boolean {
    return this.#endPing !== undefined || this.#ask(allowance)
  }

  close(): void {
    this.#closed = true
    this.#stopAsking()
  }

  #count(stepMs: number, limitMs: number, othersHeard: boolean, allowance: Allowance, now: number): void {
    this.#silentMs += stepMs
    if (now >= this.#patientUntil) this.#patience = 1
    if (this.#state === 'suspect') {
      if (othersHeard && this.#silentMs >= limitMs) this.#stall(now)
    } else if (this.#silentMs >= limitMs * this.#patience) {
      // Before it is asked, as it may be known at once that it could not be.
      this.#state = 'suspect'
      if (this.#ask(allowance)) this.#silentMs = 0
      else this.#state = 'quiet'
    }
  }

  #stall(now: number): void {
    this.#state = 'stalled'
    this.#nextPauseMs = FIRST_PAUSE_MS
    this.#pauseMs = FIRST_PAUSE_MS
    this.#endpoint.restrict({
      reason: REASON,
      kind: 'health',
      state: 'unavailable',
      since: now,
      until: undefined,
      proven: true,
    })
    this.#tell()
  }

  /** Until a byte comes: asks again, ever less often, and has what is sent to it all the same tried elsewhere. */
  #await(stepMs: number, allowance: Allowance): void {
    this.#tell()
    this.#pauseMs -= stepMs
    if (this.#pauseMs > 0) return
    if (!this.#ask(allowance)) return
    this.#nextPauseMs = Math.min(this.#nextPauseMs * 1.5, LONGEST_PAUSE_MS)
    this.#pauseMs = this.#nextPauseMs
  }

  #tell(): void {
    // One that is cancelled meanwhile leaves the list.
    for (const request of [...this.#owing]) request.onStalled()
  }

  /** Asks anew, as an older question may have been lost on its way. Says whether it is asked. */
  #ask(allowance: Allowance): boolean {
    if (!allowance()) return false
    this.#stopAsking()
    const asked = ++this.#asked
    const end = this.#endpoint.ping((pong) => {
      this.#told = asked
      this.#endPing = undefined
      if (pong === 'answered') this.heard++
      // It was not asked, and its silence says no more than before.
      else if (pong === 'unknown' && this.#state === 'suspect') this.#state = 'quiet'
    })
    // It may have been told at once.
    if (this.#told < asked) this.#endPing = end
    return true
  }

  #stopAsking(): void {
    this.#endPing?.()
    this.#endPing = undefined
  }

  /** A byte has come: it was a false alarm, or a short one, and the next one has to last longer. */
  #recover(now: number): void {
    this.#patience = Math.min(this.#patience * 2, MOST_PATIENCE)
    this.#patientUntil = now + PATIENCE_MS
    this.#stopAsking()
    const stalled = this.#state === 'stalled'
    this.#state = 'quiet'
    if (stalled) this.#endpoint.lift(REASON)
  }
}
