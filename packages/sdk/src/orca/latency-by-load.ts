// The middle of 16 is moved by neither one slow request nor a few, and is as recent as 16 requests are.
const KEPT = 16

// What has not been seen for so long may be of another state of affairs: a server that was slow, and is sent less for it,
// must not have to say so indefinitely.
const FRESH_MS = 10_000

// Up to 2^19 requests in flight, which is more than a process has connections.
const CLASSES = 20

/**
 * What requests have taken lately, by how many were in flight when they came: 1, 2 to 3, 4 to 7, and so on.
 * So a server can say what one more would take now, which an average over all loads does not.
 * Source: Prequal (arXiv 2312.10172, section 4): the median of recent latencies at about the present number in flight.
 */
export class LatencyByLoad {
  readonly #classes: (Recent | undefined)[] = []

  /** @param inflight The request itself included. */
  record(inflight: number, latencyMs: number, now: number): void {
    const place = classOf(inflight)
    const recent = (this.#classes[place] ??= new Recent())
    recent.add(latencyMs, now)
  }

  /** The median in milliseconds, of the nearest class that has any; `undefined`: nothing has come to its end lately. */
  expected(inflight: number, now: number): number | undefined {
    const place = classOf(inflight)
    for (let distance = 0; distance < CLASSES; distance++) {
      // Of two as near the more loaded: who promises too much gets too much.
      const median =
        this.#classes[place + distance]?.median(now) ?? this.#classes[place - distance]?.median(now)
      if (median !== undefined) return median
    }
    return undefined
  }
}

function classOf(inflight: number): number {
  return Math.min(CLASSES - 1, 32 - Math.clz32(inflight))
}

/** The last 16 latencies of a class, both as they came and in order: a median is read with every response. */
class Recent {
  readonly #latencies: number[] = []
  readonly #times: number[] = []
  readonly #sorted: number[] = []

  add(latencyMs: number, now: number): void {
    if (this.#sorted.length === KEPT) this.#dropOldest()
    this.#latencies.push(latencyMs)
    this.#times.push(now)
    let place = this.#sorted.length
    while (place > 0 && (this.#sorted[place - 1] ?? 0) > latencyMs) place--
    this.#sorted.splice(place, 0, latencyMs)
  }

  median(now: number): number | undefined {
    while (this.#sorted.length > 0 && now - (this.#times[0] ?? 0) > FRESH_MS) this.#dropOldest()
    const sorted = this.#sorted
    const middle = sorted.length >> 1
    return sorted.length % 2 === 1 ? sorted[middle] : meanOf(sorted[middle - 1], sorted[middle])
  }

  #dropOldest(): void {
    this.#times.shift()
    this.#sorted.splice(this.#sorted.indexOf(this.#latencies.shift() ?? 0), 1)
  }
}

function meanOf(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : (a + b) / 2
}
