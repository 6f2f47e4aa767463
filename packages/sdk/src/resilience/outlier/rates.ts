import type { FailurePercentageSettings, SuccessRateSettings } from './outlier-options.js'

/** What an endpoint did within one interval. */
export interface Counted {
  readonly successes: number
  readonly failures: number
}

/**
 * Those whose success rate stands out: below the mean of all by so many standard deviations, and by more than chance
 * would bring about. The worst first.
 *
 * The first alone ejects healthy endpoints: where one request in a thousand fails everywhere, nearly every rate is 100%,
 * the deviation next to nothing, and whoever had the one failure of its hundred requests stands out.
 *
 * Source: Envoy, outlier.rst ("success rate"); gRFC A50. The second condition is ours.
 */
export function bySuccessRate<C extends Counted>(
  endpoints: readonly C[],
  { stdevFactor, minimumHosts, requestVolume }: SuccessRateSettings,
): readonly C[] {
  const judged = endpoints.filter((endpoint) => volumeOf(endpoint) >= requestVolume)
  if (judged.length < minimumHosts) return []
  const rates = judged.map(successRate)
  const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length
  const variance = rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length
  const threshold = mean - stdevFactor * Math.sqrt(variance)
  return worstFirst(
    judged.filter((endpoint) => {
      const expected = volumeOf(endpoint) * (1 - mean)
      return successRate(endpoint) < threshold && isBeyondChance(endpoint.failures, expected)
    }),
  )
}

/**
 * Those of which at least so many fail, whatever the others do. The worst first.
 * Source: Envoy, outlier.rst ("failure percentage"); gRFC A50.
 */
export function byFailurePercentage<C extends Counted>(
  endpoints: readonly C[],
  { threshold, minimumHosts, requestVolume }: FailurePercentageSettings,
): readonly C[] {
  const judged = endpoints.filter((endpoint) => volumeOf(endpoint) >= requestVolume)
  if (judged.length < minimumHosts) return []
  return worstFirst(judged.filter((endpoint) => (1 - successRate(endpoint)) * 100 >= threshold))
}

// Of a normal distribution one draw in 30,000 is as far out: a client of 100 endpoints that all fail alike ejects one in
// an hour.
const SIGMAS = 4

/**
 * Are these more failures than chance brings about where so many are expected? By the square roots, in which counts have
 * a standard deviation of one half whatever is expected, also where that is next to nothing (Anscombe, 1948). For failures
 * that are a large share of the requests it is on the cautious side.
 */
function isBeyondChance(failures: number, expected: number): boolean {
  return 2 * (Math.sqrt(failures + 3 / 8) - Math.sqrt(expected + 3 / 8)) >= SIGMAS
}

function worstFirst<C extends Counted>(endpoints: readonly C[]): readonly C[] {
  return endpoints.toSorted((a, b) => successRate(a) - successRate(b))
}

function volumeOf({ successes, failures }: Counted): number {
  return successes + failures
}

function successRate(counted: Counted): number {
  return counted.successes / volumeOf(counted)
}
