/**
 * How many of the endpoints in use may be ejected or unavailable otherwise: this share, rounded down, but one in any case
 * (as in Envoy's `always_eject_one_host`), and never all. Of one: none.
 */
export function mostEjected(endpoints: number, maxEjectionPercent: number): number {
  const share = Math.floor((endpoints * maxEjectionPercent) / 100)
  return Math.min(Math.max(share, 1), Math.max(endpoints - 1, 0))
}
