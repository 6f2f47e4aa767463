import { describe, expect, test } from 'vitest'
import { FakeCandidate, seededRandom } from '../testing/index.js'
import { balancers } from './balancers.js'
import { compose } from './compose.js'
import { locality } from './layers/locality.js'
import { maglev } from './keyed/maglev.js'
import { registeredWeight, type Balancer, type PickContext } from './picker.js'
import { rendezvous } from './keyed/rendezvous.js'
import { reportedWeights } from './layers/reported-weights.js'
import { ringHash } from './keyed/ring-hash.js'
import { slowStart } from './layers/slow-start.js'
import { subset } from './layers/subset.js'

/**
 * Endpoints are shared by all pickers over them, so whatever a picker wrote on one, another might overwrite. This keeps
 * the kind out: a policy or a layer may write a `BackendLoad` where there is none, which has room for any number of
 * observers, and nothing else. What the priorities write (`panic`) is not part of a `Candidate`, and a client has them
 * once, around its whole composition.
 */
function guarded(endpoint: FakeCandidate, written: string[]): FakeCandidate {
  return new Proxy(endpoint, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
    set(target, property, value) {
      const mayWrite = property === 'backendLoad' && target.backendLoad === undefined
      if (!mayWrite) written.push(String(property))
      return Reflect.set(target, property, value, target)
    },
    defineProperty(_, property) {
      written.push(String(property))
      return false
    },
  })
}

const policies: readonly [string, Balancer][] = [
  ...Object.entries(balancers),
  ['ring_hash, bounded', ringHash({ balanceFactor: 1, minimumRingSize: 64 })],
  ['maglev, bounded', maglev({ balanceFactor: 1, tableSize: 251 })],
  ['rendezvous, bounded', rendezvous({ balanceFactor: 1, tableSize: 256 })],
  [
    'every layer',
    compose(
      subset({ size: 3, id: 'client' }),
      locality({ zone: 'a', minimumEndpoints: 1 }),
      slowStart(),
      reportedWeights(),
      'peak_ewma',
    ),
  ],
]

describe.each(policies)('%s', (_, balancer) => {
  test('writes nothing on an endpoint that another picker could overwrite', () => {
    const written: string[] = []
    const real = [1, 2, 3, 4].map((name) => new FakeCandidate(name, name, 0, name < 3 ? 'a' : 'b'))
    const endpoints = real.map((endpoint) => guarded(endpoint, written))
    const first = balancer(endpoints, seededRandom(1), registeredWeight)
    const second = balancer(endpoints, seededRandom(2), registeredWeight)
    for (let round = 0; round < 50; round++) {
      const context: PickContext<FakeCandidate> = {
        now: round * 100,
        tried: [],
        hash: round % 2 === 0 ? { high: round << 20, low: round } : undefined,
      }
      // A circuit opens and closes, a request begins, and ends as two more have begun.
      if (round % 10 === 0)
        for (const endpoint of real) endpoint.available = round % 20 === 0 || endpoint !== real[0]
      for (const picker of [first, second]) {
        picker.pick(context)?.begin()
        if (round > 2) real[round % 4]?.end()
        picker.refresh?.(context.now)
      }
      real[1]?.backendLoad?.receive('TEXT cpu_utilization=0.5,rps_fractional=20', context.now)
    }
    first.close?.()
    second.close?.()
    expect(written).toEqual([])
  })
})
