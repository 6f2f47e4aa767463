import type { Clock } from './clock.js'
import type { Resolver } from './discovery/resolver.js'
import { RetryBudget } from './resilience/retry-budget.js'

/** How much a budget allows. */
export interface BudgetShare {
  readonly budgetRatio: number
  readonly budgetMinPerSecond: number
}

// How long a request counts (Finagle's).
const TTL_MS = 10_000

// State of the process (lint/module-state.js): what protects a service is no protection if every client of it has one of its own.
// A budget is kept for as long as its clients' resolver is.
const ofResolvers = new WeakMap<Resolver, Map<string, RetryBudget>>()

/** The budget that all clients of a service share which find it in the same way and allow as much. */
export function processBudget(
  resolver: Resolver,
  service: string,
  { budgetRatio, budgetMinPerSecond }: BudgetShare,
  clock: Clock,
): RetryBudget {
  const known = ofResolvers.get(resolver) ?? new Map<string, RetryBudget>()
  ofResolvers.set(resolver, known)
  const name = JSON.stringify([service, budgetRatio, budgetMinPerSecond])
  const existing = known.get(name)
  if (existing !== undefined) return existing
  const options = { ratio: budgetRatio, minPerSecond: budgetMinPerSecond, ttlMs: TTL_MS }
  const made = new RetryBudget(options, clock.now())
  known.set(name, made)
  return made
}
