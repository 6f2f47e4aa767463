import { BUCKET_MS, Counter, countIn, type Counts } from './counts.js'
import { methodOf, type LoadRecording, type Recording } from './recording.js'
import { departureOf, returnOf, type Departure, type Return } from './traffic.js'

/** What a run comes to. Times in milliseconds. */
export interface Figures {
  readonly idempotent: {
    readonly sent: number
    /** Without a head of status 200 having been handed on. */
    readonly lost: number
    /** After it: no other response could take the place of the one begun. */
    readonly cut: number
    /** Answered by a status that is no reason to ask elsewhere, such as 500: that answer was handed on. */
    readonly answered: number
  }
  readonly notIdempotent: {
    readonly sent: number
    /** Sent before the fault began, and not ended then: whoever was to answer. */
    readonly lostInFlight: number
    readonly lostBeyond: number
  }
  readonly healthyP99Ms: number
  /** Of requests due once the subject should have settled, until the fault ended. */
  readonly faultP99Ms: number
  /** How late the load itself was, which is in all latencies. */
  readonly lateP99Ms: number
  /** `undefined`: no instance alone has the fault, or the subject did not say what it sends. */
  readonly departure: Departure | undefined
  readonly back: Return | undefined
  /** From the first instance that was well again to the first request from which on all go well; `undefined`: never. */
  readonly recoveryMs: number | undefined
  /** Requests that instances read, relative to those offered, while the fault lasted. */
  readonly load: number
  /** The same in the second with the most of them, from the begin of the fault on; what was sent late then was offered then. */
  readonly peakLoad: number
}

export function figuresOf(recording: Recording): Figures {
  const { load, timeline, faulty } = recording
  const { healthyFrom, faultAt, settledAt, endAt } = timeline
  const departure = faulty === undefined ? undefined : departureOf(recording, faulty)
  return {
    ...lossesOf(recording),
    healthyP99Ms: percentile(tookOf(load, healthyFrom, faultAt), 99),
    faultP99Ms: percentile(tookOf(load, settledAt, endAt), 99),
    lateP99Ms: percentile(
      due(load, healthyFrom, Infinity).map((index) => load.lateMs[index] ?? 0),
      99,
    ),
    departure,
    back:
      faulty === undefined || departure === undefined ? undefined : returnOf(recording, faulty, departure),
    recoveryMs: recoveryOf(recording),
    load: loadOf(recording),
    peakLoad: peakLoadOf(recording),
  }
}

/** The nearest rank: one of the values. `NaN` where there are none. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.max(Math.ceil((percent / 100) * sorted.length), 1) - 1] ?? Number.NaN
}

function lossesOf({ load, timeline }: Recording): Pick<Figures, 'idempotent' | 'notIdempotent'> {
  const all = due(load, timeline.healthyFrom, Infinity)
  const [gets, posts] = (['GET', 'POST'] as const).map((method) =>
    all.filter((index) => methodOf(index) === method),
  )
  if (gets === undefined || posts === undefined) throw new Error('there is a method that is not sent')
  const ended = (
    indices: readonly number[],
    ...endings: readonly (string | undefined)[]
  ): readonly number[] => indices.filter((index) => endings.includes(load.endings[index]))
  const answered = ended(gets, 'failed').filter((index) => isHandedOn(load.reasons[index])).length
  const lostPosts = ended(posts, 'failed', 'cut', 'pending')
  const inFlight = lostPosts.filter((index) => {
    const sentAt = dueAt(load, index) + (load.lateMs[index] ?? 0)
    const endedAt = dueAt(load, index) + (load.tookMs[index] ?? 0)
    return sentAt <= timeline.faultAt && endedAt >= timeline.faultAt
  })
  return {
    idempotent: {
      sent: gets.length,
      lost: ended(gets, 'failed', 'pending').length - answered,
      cut: ended(gets, 'cut').length,
      answered,
    },
    notIdempotent: {
      sent: posts.length,
      lostInFlight: inFlight.length,
      lostBeyond: lostPosts.length - inFlight.length,
    },
  }
}

// Those of `retry.statuses`, and of pushback.
const RETRIED_STATUSES: readonly string[] = ['429', '502', '503', '504']

function isHandedOn(reason = ''): boolean {
  const [, status] = /^status (\d{3})$/.exec(reason) ?? []
  return status !== undefined && !RETRIED_STATUSES.includes(status)
}

// Of requests in a bucket: one that fails now and then is no outage.
const WELL = 0.99

/** By buckets of requests due, so that one that waited for the recovery and went well is part of it. */
function recoveryOf({ load, timeline: { healedAt, until } }: Recording): number | undefined {
  let recoveredAt: number | undefined
  for (let from = healedAt; from + BUCKET_MS <= until; from += BUCKET_MS) {
    const indices = due(load, from, from + BUCKET_MS)
    const well = indices.filter((index) => load.endings[index] === 'ok').length
    if (well < WELL * indices.length) recoveredAt = undefined
    else recoveredAt ??= from
  }
  return recoveredAt === undefined ? undefined : recoveredAt - healedAt
}

function loadOf({ seen, load, timeline }: Recording): number {
  // Whole buckets, so that the seen and the offered are of the same time.
  const from = Math.ceil(timeline.faultAt / BUCKET_MS) * BUCKET_MS
  const to = Math.floor(timeline.endAt / BUCKET_MS) * BUCKET_MS
  return countIn(seen, from, to) / ((load.ratePerSecond * (to - from)) / 1000)
}

// Shorter, and the load process being late by some milliseconds would show.
const PEAK_MS = 1000

function peakLoadOf({ seen, load, timeline }: Recording): number {
  const from = Math.ceil(timeline.faultAt / BUCKET_MS) * BUCKET_MS
  // A load process that has fallen behind sends more afterwards, which no subject can help.
  const sent = sentOf(load)
  const due = (load.ratePerSecond * PEAK_MS) / 1000
  let most = 0
  for (let begin = from; begin + PEAK_MS <= timeline.until; begin += BUCKET_MS) {
    const end = begin + PEAK_MS
    most = Math.max(most, countIn(seen, begin, end) / Math.max(due, countIn(sent, begin, end)))
  }
  return most
}

function sentOf(load: LoadRecording): Counts {
  const sent = new Counter()
  load.lateMs.forEach((lateMs, index) => sent.count(dueAt(load, index) + lateMs))
  return sent.counts
}

function tookOf(load: LoadRecording, from: number, to: number): readonly number[] {
  return due(load, from, to).map((index) => load.tookMs[index] ?? 0)
}

function dueAt({ startedAt, ratePerSecond }: LoadRecording, index: number): number {
  return startedAt + (index * 1000) / ratePerSecond
}

/** The requests due at `from` or later, and before `to`. */
function due(load: LoadRecording, from: number, to: number): readonly number[] {
  const first = Math.max(Math.ceil(((from - load.startedAt) * load.ratePerSecond) / 1000), 0)
  const end = Math.min(Math.ceil(((to - load.startedAt) * load.ratePerSecond) / 1000), load.endings.length)
  return Array.from({ length: Math.max(end - first, 0) }, (_, place) => first + place)
}
