import type { Figures } from './figures.js'

/** Of a run in which nothing went wrong. */
export const WELL: Figures = {
  idempotent: { sent: 900, lost: 0, cut: 0, answered: 0 },
  notIdempotent: { sent: 100, lostInFlight: 0, lostBeyond: 0 },
  healthyP99Ms: 4,
  faultP99Ms: 5,
  lateP99Ms: 1,
  departure: { kind: 'left', afterMs: 300 },
  back: { kind: 'back', afterMs: 1900 },
  recoveryMs: 700,
  load: 1.05,
  peakLoad: 1.1,
}
