import { expect, test } from 'vitest'
import { BackendLoad } from './backend-load.js'

const busy =
  'TEXT cpu_utilization=0.5,rps_fractional=20,eps=1,named_metrics.inflight=3,named_metrics.latency_ms=1.5'

test('begins without a word', () => {
  expect(new BackendLoad()).toMatchObject({ utilization: 0, qps: 0, eps: 0, inflight: -1, latencyUs: -1 })
  expect(new BackendLoad()).toMatchObject({ reportedAt: -1, nonEmptyAt: -1, nonEmptySince: -1 })
})

test('takes a report whole', () => {
  const load = new BackendLoad()
  load.receive(busy, 7)
  expect(load).toMatchObject({ utilization: 0.5, qps: 20, eps: 1, inflight: 3, latencyUs: 1500 })
  expect(load).toMatchObject({ reportedAt: 7, nonEmptyAt: 7, nonEmptySince: 7 })
  load.receive('TEXT named_metrics.inflight=1', 9)
  expect(load).toMatchObject({ utilization: 0, qps: 0, inflight: 1, latencyUs: -1, reportedAt: 9 })
})

test('lets the last one stand where the next is nonsense', () => {
  const load = new BackendLoad()
  load.receive(busy, 7)
  const before = structuredClone(load)
  for (const text of ['', 'TEXT eps=-3', 'JSON {', 'TEXT cpu_utilization=0.1,eps=NaN']) load.receive(text, 9)
  expect(structuredClone(load)).toEqual(before)
})

test('keeps what an idle backend said when it was busy', () => {
  const load = new BackendLoad()
  load.receive(busy, 7)
  for (const empty of ['TEXT cpu_utilization=0.1,rps_fractional=0', 'TEXT rps_fractional=3'])
    load.receive(empty, 9)
  expect(load).toMatchObject({ reportedAt: 9, nonEmptyAt: 7, nonEmptySince: 7 })
  expect(load.lastNonEmpty).toEqual({ utilization: 0.5, qps: 20, eps: 1 })
})

test('begins anew after a gap, and not before', () => {
  const load = new BackendLoad()
  for (const now of [0, 179_999, 359_998]) load.receive(busy, now)
  expect(load.nonEmptySince).toBe(0)
  load.receive(busy, 359_998 + 180_000)
  expect(load).toMatchObject({ nonEmptySince: 539_998, nonEmptyAt: 539_998 })
})

test('tells its observer of each report, not of nonsense', () => {
  const load = new BackendLoad()
  const heard: number[] = []
  load.onReport(() => heard.push(load.qps))
  load.receive(busy, 1)
  load.receive('TEXT rps_fractional=7', 2)
  load.receive('TEXT rps_fractional=x', 3)
  expect(heard).toEqual([20, 7])
})
