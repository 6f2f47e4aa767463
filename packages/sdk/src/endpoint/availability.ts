import { AVAILABLE, type Availability, type Restriction } from '../resilience/judge.js'

const NONE: readonly Restriction[] = Object.freeze([])

/** What all judges of one endpoint say, together. */
export class Restrictions {
  #all = NONE

  /** Is there one that keeps requests away at this moment? */
  get blocks(): boolean {
    return this.#all.some(blocks)
  }

  /** Is there one that no panic sets aside? */
  get proven(): boolean {
    return this.#all.some(({ proven }) => proven)
  }

  /** The one that counts most: what keeps requests away before a probe, health before load, and of these what ends last. */
  get availability(): Availability {
    const [first] = this.#all.toSorted(byWeight)
    if (first === undefined) return AVAILABLE
    const { state, reason, kind, since, until } = first
    return { state, reason, kind, since, until }
  }

  /** In place of the one by the same reason. */
  set(restriction: Restriction): void {
    this.delete(restriction.reason)
    this.#all = [...this.#all, restriction]
  }

  delete(reason: string): void {
    this.#all = this.#all.filter((restriction) => restriction.reason !== reason)
  }
}

function blocks(restriction: Restriction): boolean {
  return restriction.state === 'unavailable' || restriction.busy
}

function byWeight(a: Restriction, b: Restriction): number {
  return (
    Number(b.state === 'unavailable') - Number(a.state === 'unavailable') ||
    Number(b.kind === 'health') - Number(a.kind === 'health') ||
    Number(blocks(b)) - Number(blocks(a)) ||
    latest(b) - latest(a)
  )
}

/** One whose end is not known may outlast any other; a finite number, as two of them are equal. */
function latest({ until = Number.MAX_VALUE }: Restriction): number {
  return until
}
