import { beforeEach, describe, expect, test } from 'vitest'
import type { Restriction } from '../resilience/judge.js'
import type { CheckResult } from './health-check.js'
import { HealthRecord } from './health-record.js'

const limits = {
  intervalMs: 1000,
  intervalJitterPercent: 0,
  timeoutMs: 100,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  always: false,
}
const healthy: CheckResult = { kind: 'healthy' }
const unhealthy: CheckResult = { kind: 'unhealthy', why: 'it says so' }
const unreachable: CheckResult = { kind: 'unreachable', why: 'refused' }
const unknown: CheckResult = { kind: 'unknown' }

let heard: (string | Restriction)[]
let record: HealthRecord

beforeEach(() => {
  heard = []
  record = new HealthRecord(
    {
      restrict: (restriction) => void heard.push(restriction),
      lift: (reason) => void heard.push(`lift ${reason}`),
    },
    limits,
  )
})

function find(...results: CheckResult[]): void {
  for (const [now, result] of results.entries()) {
    record.found(result, now, (why) => void heard.push(why))
  }
}

describe('an endpoint that is healthy', () => {
  test('is so until it has not answered three times in a row', () => {
    find(unreachable, unreachable, healthy, unreachable, unreachable)
    expect(heard).toEqual([])
    expect(record.unhealthy).toBe(false)
    find(unreachable)
    expect(heard).toEqual([
      'refused',
      { reason: 'health_check_failed', kind: 'health', state: 'unavailable', since: 0, until: undefined },
    ])
    expect(record.unhealthy).toBe(true)
  })

  test('is not, once it has answered that it is not', () => {
    find(healthy, unhealthy)
    expect(heard).toEqual(['it says so', expect.objectContaining({ since: 1 })])
  })

  test('counts from the start where it has had requests meanwhile', () => {
    find(unreachable, unreachable)
    record.used()
    find(unreachable, unreachable)
    expect(heard).toEqual([])
  })

  test('counts on where it could not be asked', () => {
    find(unreachable, unknown, unreachable, unknown)
    expect(heard).toEqual([])
    find(unreachable)
    expect(record.unhealthy).toBe(true)
  })
})

describe('an endpoint that is unhealthy', () => {
  beforeEach(() => {
    find(unhealthy)
    heard = []
  })

  test('is healthy again when it has passed two checks in a row', () => {
    find(healthy, unreachable, healthy, unhealthy, unknown, healthy)
    expect(heard).toEqual([])
    find(healthy)
    expect(heard).toEqual(['lift health_check_failed'])
    expect(record.unhealthy).toBe(false)
  })

  test('and has all its chances then', () => {
    find(healthy, healthy, unreachable, unreachable)
    expect(heard).toEqual(['lift health_check_failed'])
  })

  test('is told so once', () => {
    find(unhealthy, unreachable, unreachable, unreachable)
    expect(heard).toEqual([])
  })
})
