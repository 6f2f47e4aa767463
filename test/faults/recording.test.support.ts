import type { Counts } from './counts.js'
import type { AttemptSample, Ending, Recording, Timeline } from './recording.js'

const TIMELINE: Timeline = {
  healthyFrom: 1000,
  faultAt: 2000,
  settledAt: 3000,
  endAt: 4000,
  healedAt: 4000,
  until: 6000,
}

/** What became of the request that is due at this time. */
export interface Fate {
  readonly ending?: Ending
  readonly tookMs?: number
  readonly lateMs?: number
  readonly reason?: string
}

/** A run of 6 s with 1,000 requests a second, one in ten a POST, so that request `i` is due at `i` milliseconds. */
export function recordingOf(
  fate: (due: number) => Fate,
  more: {
    readonly seen?: Counts
    readonly attempts?: readonly AttemptSample[]
    readonly faulty?: number | undefined
    readonly timeline?: Partial<Timeline>
  } = {},
): Recording {
  const fates = Array.from({ length: 6000 }, (_, due) => fate(due))
  return {
    load: {
      startedAt: 0,
      ratePerSecond: 1000,
      endings: fates.map(({ ending = 'ok' }) => ending),
      tookMs: fates.map(({ tookMs = 2 }) => tookMs),
      lateMs: fates.map(({ lateMs = 0 }) => lateMs),
      reasons: Object.fromEntries(
        fates.flatMap(({ reason }, index) => (reason === undefined ? [] : [[index, reason]])),
      ),
      attempts: more.attempts ?? [],
    },
    timeline: { ...TIMELINE, ...more.timeline },
    seen: more.seen ?? {},
    faulty: more.faulty,
    instances: 4,
  }
}

/** Samples every 100 ms of an instance that is sent `perSecond` requests at a time. */
export function attemptsAt(port: number, perSecond: (time: number) => number): readonly AttemptSample[] {
  let sent = 0
  return Array.from({ length: 61 }, (_, place) => {
    const at = place * 100
    if (place > 0) sent += perSecond(at - 100) / 10
    return { at, sent: { [port]: sent } }
  })
}

/** So many in each 100 ms. */
export function countsAt(inBucket: (bucket: number) => number): Counts {
  return Object.fromEntries(Array.from({ length: 60 }, (_, place) => [place * 100, inBucket(place * 100)]))
}
