// "Timeout" of gRPC over HTTP/2 (doc/PROTOCOL-HTTP2.md): at most 8 digits and a unit. The specification wants a positive
// number; grpc-go writes `0n` when no time is left, which means just that.
const FORM = /^(\d{1,8})([HMSmun])$/
const MOST = 99_999_999

const MS_PER_HOUR = 3_600_000
const MS_PER_MINUTE = 60_000
const MS_PER_SECOND = 1000

/** The units that are written, the finest first. */
const WRITTEN: readonly (readonly [unit: string, ms: number])[] = [
  ['m', 1],
  ['S', MS_PER_SECOND],
  ['M', MS_PER_MINUTE],
  ['H', MS_PER_HOUR],
]

/** A value of `grpc-timeout` in milliseconds; undefined: it is not in gRPC's format. */
export function parseGrpcTimeout(text: string): number | undefined {
  const [, digits, unit] = FORM.exec(text) ?? []
  const amount = Number(digits)
  switch (unit) {
    case 'H':
      return amount * MS_PER_HOUR
    case 'M':
      return amount * MS_PER_MINUTE
    case 'S':
      return amount * MS_PER_SECOND
    case 'm':
      return amount
    case 'u':
      return amount / 1000
    case 'n':
      return amount / 1_000_000
    default:
      return undefined
  }
}

/**
 * Milliseconds as a value of `grpc-timeout`: in the finest unit from milliseconds up that has room for it, rounded down
 * and at least 1, so that no one is promised more time than there is. The longest is 99,999,999 hours.
 */
export function formatGrpcTimeout(ms: number): string {
  for (const [unit, length] of WRITTEN) {
    const amount = Math.floor(ms / length)
    if (amount <= MOST) return `${Math.max(amount, 1)}${unit}`
  }
  return `${MOST}H`
}
