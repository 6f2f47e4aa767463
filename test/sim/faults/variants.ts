import type { Resilience } from '../client.js'

/** What is compared: clients with and without what keeps requests from endpoints that fail. Retries are as by default. */
export const variants: Readonly<Record<string, Resilience>> = {
  neither: { breaker: false, outlierDetection: false },
  circuits: { outlierDetection: false },
  'outlier detection': { breaker: false },
  both: {},
}
