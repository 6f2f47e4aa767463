import { expect } from 'vitest'
import { instanceAt } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import type { CheckResult, HealthCheck } from './health-check.js'

/** Checks once, and returns what it finds; it calls back once. */
export async function checkOnce(check: HealthCheck, origin: string): Promise<CheckResult | undefined> {
  const found: CheckResult[] = []
  check(instanceAt(origin), (result) => void found.push(result))
  await until(() => found.length > 0)
  // Whatever else is on its way has come by then.
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
  expect(found.length).toBe(1)
  return found[0]
}

/** Where nothing listens. */
export const REFUSED = 'http://127.0.0.1:1'
