import fc from 'fast-check'
import { expect, test } from 'vitest'
import { balancers } from '../balance/balancers.js'
import { nearest } from './nearest-name.js'

const options = [
  'timeoutMs',
  'retry',
  'breaker',
  'balancer',
  'connections',
  'panicThreshold',
  'hashOn',
  'tls',
]

test.for([
  ['timeout', 'timeoutMs'],
  ['timeoutMS', 'timeoutMs'],
  ['timeoutms', 'timeoutMs'],
  ['tiemoutMs', 'timeoutMs'],
  ['balencer', 'balancer'],
  ['conections', 'connections'],
  ['retries', 'retry'],
  ['breakers', 'breaker'],
  ['connection', 'connections'],
  ['policies', undefined],
  ['retyr', 'retry'],
  ['panic_threshold', 'panicThreshold'],
  ['tsl', 'tls'],
  ['tl', 'tls'],
  ['agent', undefined],
  ['', undefined],
  ['ß', undefined],
] as const)('%s means %s', ([name, meant]) => {
  expect(nearest(name, options)).toBe(meant)
})

test.for([
  ['peakEwma', 'peak_ewma'],
  ['peak-ewma', 'peak_ewma'],
  ['Maglev', 'maglev'],
  ['magelv', 'maglev'],
  ['roundrobin', 'round_robin'],
  ['weighted-round-robin', 'weighted_round_robin'],
  ['ring_hsah', 'ring_hash'],
  ['best', undefined],
] as const)('the balancer %s means %s', ([name, meant]) => {
  expect(nearest(name, Object.keys(balancers))).toBe(meant)
})

test('one slip in any long name is seen through', () => {
  const names = Object.keys(balancers).filter((name) => name.length > 5)
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(), (name, at) => {
      const index = 1 + (at % (name.length - 2))
      const left = name.slice(0, index)
      const slips = [
        left + name.slice(index + 1),
        `${left}q${name.slice(index)}`,
        `${left}${name[index + 1] ?? ''}${name[index] ?? ''}${name.slice(index + 2)}`,
      ]
      for (const slip of slips) expect(nearest(slip, Object.keys(balancers))).toBe(name)
    }),
  )
})
