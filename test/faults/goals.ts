import type { Fault } from './catalogue.js'
import type { Figures } from './figures.js'

export type Verdict = 'kept' | 'MISSED'

/** Of the figures that have a goal, whether it is kept. */
export interface Verdicts {
  readonly idempotent?: Verdict
  readonly p99?: Verdict
  readonly recovery?: Verdict
  readonly load?: Verdict
}

export const goals = {
  idempotentLost: 0,
  /** Times the healthy p99 of the same run. */
  p99Ratio: 3,
  recoveryMs: 2000,
  /** Times the load that is offered. */
  load: 1.2,
  /** Without a fault: more, and the machine is the limit, not the subject. */
  healthyP99Ms: 25,
} as const

/**
 * What is asked of a subject depends on whether an instance was well all the time, and on whether it was told to hold
 * responses until they are whole.
 */
export function judge({ on, setting }: Pick<Fault, 'on' | 'setting'>, figures: Figures): Verdicts {
  switch (on) {
    case 'none':
      return {
        idempotent: verdict(lostInAll(figures) === goals.idempotentLost),
        p99: verdict(Math.max(figures.healthyP99Ms, figures.faultP99Ms) <= goals.healthyP99Ms),
        load: verdict(figures.load <= goals.load && figures.load >= 1 / goals.load),
      }
    case 'one':
      return {
        idempotent: verdict(savable(figures, setting) === goals.idempotentLost),
        p99: verdict(figures.faultP99Ms <= goals.p99Ratio * figures.healthyP99Ms),
        load: verdict(figures.load <= goals.load),
      }
    case 'all':
      return {
        recovery: verdict((figures.recoveryMs ?? Infinity) <= goals.recoveryMs),
        // Without a budget it is what the budget is compared with.
        ...(setting === 'no-budget' ? {} : { load: verdict(figures.peakLoad <= goals.load) }),
      }
  }
}

function savable({ idempotent }: Figures, setting: Fault['setting']): number {
  switch (setting) {
    case 'hold':
      return idempotent.lost + idempotent.cut
    case 'retry-500':
      return idempotent.lost + idempotent.answered
    case 'default':
    case 'no-budget':
      return idempotent.lost
  }
}

function lostInAll({ idempotent, notIdempotent }: Figures): number {
  const { lost, cut, answered } = idempotent
  return lost + cut + answered + notIdempotent.lostInFlight + notIdempotent.lostBeyond
}

function verdict(kept: boolean): Verdict {
  return kept ? 'kept' : 'MISSED'
}
