const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  // U+00B5, as Go writes it, and U+03BC, which it reads as well.
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}

const PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g
const DURATION = new RegExp(`^(?:${PART.source})+$`)

/** Milliseconds of a duration as Go writes it: `1m30s`, or a number of nanoseconds. `undefined`: neither, or 0. */
export function goDurationMs(value: unknown): number | undefined {
  if (typeof value === 'number') return value > 0 ? value / 1e6 : undefined
  if (typeof value !== 'string' || !DURATION.test(value)) return undefined
  let sum = 0
  for (const [, amount, unit] of value.matchAll(PART)) sum += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0)
  return sum > 0 ? sum : undefined
}
