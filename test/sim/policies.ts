import { balancers, compose, slowStart, type Balancer } from '@fairlead/sdk'

// As long as a new server in `rolling-deploy` needs, and short enough for few to be new at a time.
const WARM_UP_MS = 5000

/** Every policy that is simulated, under the name it is reported by. A line each. */
export const policies: Readonly<Record<string, Balancer>> = {
  round_robin: balancers.round_robin,
  weighted_round_robin: balancers.weighted_round_robin,
  orca_weighted_round_robin: balancers.orca_weighted_round_robin,
  random: balancers.random,
  least_connections: balancers.least_connections,
  least_request: balancers.least_request,
  peak_ewma: balancers.peak_ewma,
  prequal: balancers.prequal,
  'slow start, peak_ewma': compose(slowStart({ windowMs: WARM_UP_MS }), 'peak_ewma'),
}
