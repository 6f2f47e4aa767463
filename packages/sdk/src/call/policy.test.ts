import { expect, test } from 'vitest'
import { balancers } from '../balance/balancers.js'
import { Events, type FairleadEvent } from '../observe/events.js'
import { ONE_ATTEMPT } from '../resilience/retry-options.js'
import { PolicyResolver, type PolicyOptions } from './policy.js'

function resolver(options: Partial<PolicyOptions> = {}): { policy: PolicyResolver; told: FairleadEvent[] } {
  const told: FairleadEvent[] = []
  const events = new Events({ traffic: false, hear: (event) => void told.push(event) })
  const policy = new PolicyResolver(
    {
      service: 'orders',
      balancer: undefined,
      hashOn: [],
      timeoutMs: 30_000,
      connections: { connectTimeoutMs: 1000 },
      given: { timeoutMs: false, connectTimeoutMs: false },
      retry: { ...ONE_ATTEMPT, attempts: 2, attemptHeader: undefined },
      hedge: undefined,
      routes: [],
      ...options,
    },
    events,
  )
  return { policy, told }
}

const loadBalancer = (policy: string): { policy: string; hashPolicies: [] } => ({ policy, hashPolicies: [] })

test('defaults, above them what the registry prefers, above that what the client was told', () => {
  const { policy } = resolver()
  expect(policy.current).toMatchObject({ timeoutMs: 30_000, connectTimeoutMs: 1000, attempts: 2 })
  expect(policy.current.balancer).toBe(balancers.peak_ewma)
  policy.update({ requestTimeoutMs: 5, connectTimeoutMs: 6, loadBalancer: loadBalancer('random') })
  expect(policy.current).toMatchObject({ timeoutMs: 5, connectTimeoutMs: 6 })
  expect(policy.current.balancer).toBe(balancers.random)
  policy.update(undefined)
  expect(policy.current).toMatchObject({ timeoutMs: 30_000, connectTimeoutMs: 1000 })
  const given = resolver({
    balancer: balancers.round_robin,
    given: { timeoutMs: true, connectTimeoutMs: true },
  })
  given.policy.update({ requestTimeoutMs: 5, connectTimeoutMs: 6, loadBalancer: loadBalancer('random') })
  expect(given.policy.current).toMatchObject({ timeoutMs: 30_000, connectTimeoutMs: 1000 })
  expect(given.policy.current.balancer).toBe(balancers.round_robin)
})

test('is one frozen object for as long as nothing changes, and keeps its balancer while that is preferred', () => {
  const { policy } = resolver()
  policy.update({ requestTimeoutMs: 5, loadBalancer: loadBalancer('ring_hash') })
  const { current } = policy
  expect(Object.isFrozen(current)).toBe(true)
  policy.update({ requestTimeoutMs: 5, loadBalancer: loadBalancer('ring_hash') })
  expect(policy.current).toBe(current)
  policy.update({ requestTimeoutMs: 6, loadBalancer: loadBalancer('ring_hash') })
  expect(policy.current).toMatchObject({ timeoutMs: 6, balancer: current.balancer, hasher: current.hasher })
})

test('a load balancer that is not supported is told once for each change, where it would have been used', () => {
  const { policy, told } = resolver()
  for (let n = 0; n < 3; n++) policy.update({ loadBalancer: loadBalancer('astrology') })
  expect(told).toEqual([{ type: 'discovery:unknown-policy', service: 'orders', policy: 'astrology' }])
  expect(policy.current.balancer).toBe(balancers.peak_ewma)
  const chosen = resolver({ balancer: balancers.round_robin })
  chosen.policy.update({ loadBalancer: loadBalancer('astrology') })
  expect(chosen.told).toEqual([])
})

test('requests are hashed by what the client was told, and else by what the registry prefers', () => {
  const byHeader = { field: 'header', name: 'x-user', terminal: false } as const
  const byPath = { field: 'pathname', name: '', terminal: false } as const
  const isHashed = ({ current }: PolicyResolver, headers: Record<string, string>): boolean =>
    current.hasher.hash({ method: 'GET', path: '/', headers }, { high: 0, low: 0 })
  const user = { 'x-user': 'one' }
  const { policy, told } = resolver()
  expect(isHashed(policy, user)).toBe(false)
  policy.update({ loadBalancer: { policy: 'ring_hash', hashPolicies: [byHeader] } })
  expect([isHashed(policy, user), isHashed(policy, {})]).toEqual([true, false])
  // One that is supported is no news.
  expect(told).toEqual([])
  const given = resolver({ hashOn: [byHeader] }).policy
  given.update({ loadBalancer: { policy: 'ring_hash', hashPolicies: [byPath] } })
  expect([isHashed(given, user), isHashed(given, {})]).toEqual([true, false])
})
