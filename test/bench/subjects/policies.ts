import { balancers, compose, locality, ringHash, slowStart, subset, type Balancer } from '@fairlead/sdk'

/** What has no name of its own in `balancers`. */
const MADE: Readonly<Record<string, () => Balancer>> = {
  'ring_hash, ketama': () => ringHash({ hashFunction: 'ketama' }),
  'subset + peak_ewma': () => compose(subset({ size: 20, index: 7, of: 300 }), 'peak_ewma'),
  'locality + peak_ewma': () => compose(locality({ zone: 'b' }), 'peak_ewma'),
  'slow start + peak_ewma': () => compose(slowStart(), 'peak_ewma'),
  'subset + locality + slow start + peak_ewma': () =>
    compose(subset({ size: 20, index: 7, of: 300 }), locality({ zone: 'b' }), slowStart(), 'peak_ewma'),
}

/** A policy by the name it has in the report. What it keeps from one set to the next is its own. */
export function policyNamed(name: string): Balancer {
  const policy = MADE[name]?.() ?? (balancers as Readonly<Partial<Record<string, Balancer>>>)[name]
  if (policy === undefined) throw new Error(`there is no policy ${name}`)
  return policy
}
