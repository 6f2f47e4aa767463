/** What one report says, as far as balancing reads it; 0 where it says nothing, -1 where that could be a value. */
export interface LoadReport {
  /** `application_utilization` where it is above 0, else `cpu_utilization` (gRPC A51); 1 is the whole, and more is possible. */
  readonly utilization: number
  /** `rps_fractional`: requests a second. */
  readonly qps: number
  /** `eps`: errors a second. */
  readonly eps: number
  /** `named_metrics.inflight`: requests in flight; -1: not said. */
  readonly inflight: number
  /** `named_metrics.latency_ms`: what a request would take now, in milliseconds; -1: not said. */
  readonly latencyMs: number
}

/** The response header that a report comes in. */
export const LOAD_HEADER = 'endpoint-load-metrics'

// A report has 9 fields of its own, in some 200 characters; the rest is for metrics by other names. What is longer would
// cost more to read than it is worth.
const LONGEST = 4096

// A server that does, has or waits for more than a billion of anything is mistaken: at least in the unit.
const MOST = 1e9

// What is read of a report.
const METRICS: readonly string[] = [
  'application_utilization',
  'cpu_utilization',
  'rps_fractional',
  'eps',
  'named_metrics.inflight',
  'named_metrics.latency_ms',
]

// As absl::SimpleAtod, which reads them in Envoy: no hexadecimal, which Number() would take.
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/**
 * Reads the value of `endpoint-load-metrics`, in the formats `TEXT cpu_utilization=0.3,eps=1` and
 * `JSON {"cpu_utilization":0.3}`. `undefined`: it is malformed anywhere, says what cannot be, or nothing that is read here. It never
 * throws.
 *
 * As in Envoy's source/common/orca/orca_parser.cc: a prefix and one space, which must be there; white space around an
 * entry and empty entries do not matter; a metric that comes twice, and a value that is not a finite number, spoil the
 * whole. `:` for `=` is what Envoy took before 1.33 (envoyproxy/envoy#37724). Other than Envoy, metrics that it does not
 * know are skipped, as protobuf does with fields: a server may know a newer report. `BIN` is not read.
 */
export function parseLoadReport(text: string): LoadReport | undefined {
  if (text.length > LONGEST) return undefined
  if (text.startsWith('TEXT ')) return parseText(text)
  if (text.startsWith('JSON ')) return parseJson(text.slice(5))
  return undefined
}

function parseText(text: string): LoadReport | undefined {
  const draft = new Draft()
  for (let start = 5; start < text.length;) {
    let end = text.indexOf(',', start)
    if (end < 0) end = text.length
    const entry = text.slice(start, end).trim()
    start = end + 1
    if (entry === '') continue
    const split = separatorIn(entry)
    if (split <= 0) return undefined
    if (!draft.take(entry.slice(0, split).trimEnd(), decimal(entry.slice(split + 1).trimStart())))
      return undefined
  }
  return draft.finish()
}

function parseJson(text: string): LoadReport | undefined {
  const report = parsed(text)
  if (!isObject(report)) return undefined
  const draft = new Draft()
  for (const [name, value] of Object.entries(report)) {
    // Either spelling is a field's name in protobuf's JSON, and null is its default.
    const field = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    if (value === null) continue
    if (isObject(value)) {
      for (const [key, metric] of Object.entries(value))
        if (!draft.take(`${field}.${key}`, numberOf(metric))) return undefined
    } else if (!draft.take(field, numberOf(value))) {
      return undefined
    }
  }
  return draft.finish()
}

/** Collects a report, metric by metric. */
class Draft {
  /** In the order of {@link METRICS}. */
  readonly #values = [-1, -1, -1, -1, -1, -1]
  #known = false
  /** The names of those skipped. */
  #others: Set<string> | undefined

  /** False: it cannot be. */
  take(name: string, value: number): boolean {
    const metric = METRICS.indexOf(name)
    if (metric < 0) return Number.isFinite(value) && this.#passBy(name)
    // NaN fails all comparisons.
    if (!(value >= 0 && value <= MOST) || (this.#values[metric] ?? 0) >= 0) return false
    this.#values[metric] = value
    this.#known = true
    return true
  }

  /** `undefined`: nothing in it is read here. */
  finish(): LoadReport | undefined {
    if (!this.#known) return undefined
    const [application = 0, cpu = 0, qps = 0, eps = 0, inflight = 0, latencyMs = 0] = this.#values
    return {
      utilization: application > 0 ? application : Math.max(0, cpu),
      qps: Math.max(0, qps),
      eps: Math.max(0, eps),
      inflight,
      latencyMs,
    }
  }

  #passBy(name: string): boolean {
    if (name.endsWith('.') || this.#others?.has(name) === true) return false
    this.#others ??= new Set()
    this.#others.add(name)
    return true
  }
}

/** Where a metric's name ends, by `=` or `:`; -1: nowhere. */
function separatorIn(entry: string): number {
  const equals = entry.indexOf('=')
  const colon = entry.indexOf(':')
  return equals < 0 || (colon >= 0 && colon < equals) ? colon : equals
}

/** NaN: not a decimal number. */
function decimal(text: string): number {
  return DECIMAL.test(text) ? Number(text) : NaN
}

/** Protobuf's JSON may have a number in quotes. */
function numberOf(value: unknown): number {
  if (typeof value === 'number') return value
  return typeof value === 'string' ? decimal(value) : NaN
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
