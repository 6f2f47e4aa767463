import type { Random } from '@fairlead/sdk'

/** Whole microseconds a request takes on an idle core. */
export type Work = (random: Random) => number

/** Exponential: memoryless; the time between two arrivals of a Poisson process. */
export function exponential(mean: number, random: Random): number {
  // The generator gives no zero, so that the logarithm is finite.
  return -mean * Math.log(random.next())
}

export function exponentialWork(meanUs: number): Work {
  return (random) => Math.ceil(exponential(meanUs, random))
}

/**
 * Log-normal: most requests are quick and a few take long, as in most services.
 *
 * @param variation Standard deviation relative to the mean.
 */
export function logNormalWork(meanUs: number, variation: number): Work {
  const variance = Math.log(1 + variation * variation)
  const sigma = Math.sqrt(variance)
  const mu = Math.log(meanUs) - variance / 2
  // Box and Muller's transformation makes a normal number of two uniform ones.
  return (random) =>
    Math.ceil(
      Math.exp(mu + sigma * Math.sqrt(-2 * Math.log(random.next())) * Math.cos(2 * Math.PI * random.next())),
    )
}
