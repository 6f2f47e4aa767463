import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs, until } from '../monotonic.js'
import { methodOf, type AttemptSample, type Ending, type LoadRecording } from '../recording.js'
import type { Sender } from './sender.js'

export interface LoadOrder {
  /** Of `monotonicMs`. */
  readonly startAt: number
  readonly milliseconds: number
  readonly ratePerSecond: number
}

// For the compiler, which has most to do with the first of them.
const WARM_UP = { requests: 3000, inFlight: 16 }

/**
 * A closed loop: a process that has just started, and is offered thousands of requests a second, falls behind and opens a
 * connection for each that waits, which it takes seconds to recover from.
 */
export async function warmUp(sender: Sender): Promise<void> {
  let left = WARM_UP.requests
  const caller = async (): Promise<void> => {
    while (left-- > 0) await sender.send('GET')
  }
  await Promise.all(Array.from({ length: WARM_UP.inFlight }, caller))
}

const TICK_MS = 1
const SAMPLE_MS = 100
// Above the 30 s after which a request fails by default.
const LONGEST_MS = 35_000

/** Sends requests when they are due, however long those before them take. */
export async function runOpenLoop(
  sender: Sender,
  { startAt, milliseconds, ratePerSecond }: LoadOrder,
): Promise<LoadRecording> {
  const total = Math.floor((milliseconds / 1000) * ratePerSecond)
  const endings = Array<Ending>(total).fill('pending')
  const tookMs = Array<number>(total).fill(0)
  const lateMs = Array<number>(total).fill(0)
  const reasons: Record<number, string> = {}
  const attempts: AttemptSample[] = []
  const dueAt = (index: number): number => startAt + (index * 1000) / ratePerSecond
  let ended = 0

  const send = async (index: number): Promise<void> => {
    lateMs[index] = monotonicMs() - dueAt(index)
    const { ending, reason } = await sender.send(methodOf(index))
    tookMs[index] = monotonicMs() - dueAt(index)
    endings[index] = ending
    if (reason !== undefined) reasons[index] = reason
    ended++
  }
  const sample = (): void => {
    void sender.attempts().then(
      (sent) => attempts.push({ at: monotonicMs(), sent }),
      // One that is missing makes a longer interval of two.
      () => undefined,
    )
  }

  await until(startAt)
  const sampler = setInterval(sample, SAMPLE_MS)
  for (let next = 0; next < total;) {
    const now = monotonicMs()
    while (next < total && dueAt(next) <= now) void send(next++)
    // Always a turn of the event loop, also when it is late: what was sent would never be answered.
    await delay(TICK_MS)
  }
  clearInterval(sampler)
  const deadline = monotonicMs() + LONGEST_MS
  while (ended < total && monotonicMs() < deadline) await until(monotonicMs() + SAMPLE_MS)
  const now = monotonicMs()
  return {
    startedAt: startAt,
    ratePerSecond,
    endings: [...endings],
    tookMs: tookMs.map((took, index) => (endings[index] === 'pending' ? now - dueAt(index) : took)),
    lateMs,
    reasons,
    attempts,
  }
}
