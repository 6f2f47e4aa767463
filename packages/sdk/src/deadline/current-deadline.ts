import { AsyncLocalStorage } from 'node:async_hooks'
import type { Deadline } from './deadline.js'

// Made when the first deadline is bound. Until then a call does not look for one, and Node 20, whose storages follow
// promises by hooks, has none to follow.
let storage: AsyncLocalStorage<Deadline> | undefined

/** Runs work within a deadline, and within the one around it where that is earlier. */
export function within<T>(deadline: Deadline, work: () => T): T {
  const outer = currentDeadline()
  if (outer !== undefined && !deadline.isBefore(outer)) return work()
  storage ??= new AsyncLocalStorage()
  return storage.run(deadline, work)
}

/**
 * The deadline that this work is done within: that of `deadlines()` or `withDeadline`; undefined: none.
 *
 * @example
 * ```ts
 * import { currentDeadline } from '@fairlead/sdk'
 *
 * const statementTimeoutMs = Math.min(currentDeadline()?.remainingMs ?? Infinity, 5000)
 * console.log(statementTimeoutMs)
 * ```
 */
export function currentDeadline(): Deadline | undefined {
  return storage?.getStore()
}
