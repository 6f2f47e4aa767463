import { describe, expect, test } from 'vitest'
import type { Balancer } from '../balance/picker.js'
import { fleet, Rig } from '../cluster/cluster.test.support.js'
import { BackendLoad } from '../orca/backend-load.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import { instanceAt, ManualClock } from '../testing/index.js'
import { HeardAttempts, HeardEndpoint, HeldTransport } from './attempt.test.support.js'
import { Classifier } from './classify.js'
import { Endpoint } from './endpoint.js'
import { HttpAttempt } from './http-attempt.js'

test('over 1,000 rebuilds an endpoint is observed by its last picker only, though a layer forgets to pass close on', async () => {
  let calls = 0
  let builds = 0
  const forgetful: Balancer = (endpoints) => {
    builds++
    for (const endpoint of endpoints) endpoint.onLoadChange(() => calls++)
    // One in ten is never made to the end.
    if (builds % 10 === 0) throw new Error('out of order')
    return { pick: () => endpoints[0] }
  }
  const rig = new Rig({ policy: { current: { balancer: forgetful }, update: () => undefined } })
  for (let n = 0; n < 1001; n++) {
    const instances = fleet.map((instance) => ({ ...instance, weight: 1 + (n % 2) }))
    await rig.cluster.update({ kind: 'snapshot', instances, excluded: [] })
  }
  expect(builds).toBe(1001)
  for (const endpoint of rig.cluster.endpoints) endpoint.begin()
  expect(calls).toBe(fleet.length)
  await rig.cluster.close()
})

describe('an observer that throws', () => {
  test('is told of, and neither the request nor other observers suffer', () => {
    const clock = new ManualClock()
    const failures: Error[] = []
    const endpoint = new Endpoint(instanceAt('http://10.0.0.1:80'), 30, -1, {
      createTransport: () => new HeldTransport(),
      makeBreaker: undefined,
      judges: [],
      classifier: new Classifier(),
      onAvailability: () => undefined,
      onObserverFailed: (error) => void failures.push(error),
      loop: new LoopWatch(clock),
      clock,
    })
    let heard = 0
    endpoint.onLoadChange(() => {
      throw new Error('of the balancer')
    })
    endpoint.onLoadChange(() => heard++)
    const lease = endpoint.lease(0)
    lease?.end(0)
    expect([endpoint.inflight, heard]).toEqual([0, 2])
    expect(failures.map(({ message }) => message)).toEqual(['of the balancer', 'of the balancer'])
  })

  test('of a load report likewise', () => {
    const clock = new ManualClock()
    const endpoint = new HeardEndpoint(clock)
    endpoint.backendLoad = new BackendLoad()
    endpoint.backendLoad.onReport(() => {
      throw new Error('of the balancer')
    })
    const listener = new HeardAttempts()
    const attempt = new HttpAttempt(
      endpoint,
      new HeldTransport(),
      7,
      { method: 'GET', path: '/' },
      listener,
      undefined,
      clock,
      0,
    )
    attempt.onConnect(() => undefined)
    const report = ['endpoint-load-metrics', 'TEXT cpu_utilization=0.5'].map((text) => Buffer.from(text))
    attempt.onHeaders(200, report, () => undefined, '')
    attempt.onComplete([])
    expect(listener.heard).toEqual(['head 200', 'complete'])
    expect(endpoint.observersFailed.map(({ message }) => message)).toEqual(['of the balancer'])
  })
})
