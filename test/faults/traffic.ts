import type { AttemptSample, Recording } from './recording.js'

/** When an instance was no longer sent requests, in milliseconds from the begin of its fault; probes are none. */
export type Departure = { readonly kind: 'left'; readonly afterMs: number } | { readonly kind: 'stayed' }

/** When it was sent requests again, in milliseconds from the end of its fault. */
export type Return =
  | { readonly kind: 'back'; readonly afterMs: number }
  | { readonly kind: 'away'; readonly forMs: number }
  | { readonly kind: 'never left' }

// Of the share that is fair. A half-open probe now and then is far below the one; half-way back is back, as a load that
// is balanced by latency never is quite the same on all.
const GONE = 0.1
const BACK = 0.5

/**
 * It left where what it is sent falls below a tenth of its fair share and stays there until the fault ends. `undefined`:
 * the subject did not say what it sends.
 */
export function departureOf(recording: Recording, port: number): Departure | undefined {
  const { faultAt, endAt } = recording.timeline
  const during = ratesOf(recording.load.attempts, port).filter(({ to }) => to > faultAt && to <= endAt)
  if (during.length === 0) return undefined
  const last = during.findLastIndex(({ perSecond }) => perSecond >= GONE * fairShare(recording))
  if (last === during.length - 1) return { kind: 'stayed' }
  return { kind: 'left', afterMs: Math.max((during[last]?.to ?? faultAt) - faultAt, 0) }
}

/** It is back where it is sent half of its fair share. */
export function returnOf(recording: Recording, port: number, departure: Departure): Return {
  if (departure.kind === 'stayed') return { kind: 'never left' }
  const { healedAt, until } = recording.timeline
  const back = ratesOf(recording.load.attempts, port).find(
    ({ to, perSecond }) => to > healedAt && perSecond >= BACK * fairShare(recording),
  )
  return back === undefined
    ? { kind: 'away', forMs: until - healedAt }
    : { kind: 'back', afterMs: back.to - healedAt }
}

function fairShare({ load, instances }: Recording): number {
  return load.ratePerSecond / instances
}

interface Rate {
  readonly to: number
  readonly perSecond: number
}

/** Between each sample and the next. */
function ratesOf(samples: readonly AttemptSample[], port: number): readonly Rate[] {
  return samples.slice(1).flatMap((sample, place) => {
    const before = samples[place]
    if (before === undefined || sample.at <= before.at) return []
    const sent = (sample.sent[port] ?? 0) - (before.sent[port] ?? 0)
    return [{ to: sample.at, perSecond: (sent * 1000) / (sample.at - before.at) }]
  })
}
