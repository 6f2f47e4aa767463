import { createSecretKey } from 'node:crypto'
import { expect, test } from 'vitest'
import { nextTurn } from '../clock.js'
import type { Instance, Snapshot } from '../discovery/resolver.js'
import { instanceAt } from '../testing/index.js'
import { until } from '../test-support/until.test.support.js'
import { sticky } from '../sessions/sticky.js'
import { Rig, type Watched } from './cluster.test.support.js'
import type { Endpoint } from '../endpoint/endpoint.js'

/** So many are taken in over several turns of the event loop. */
const COUNT = 1000

function many(host: string): readonly Instance[] {
  return Array.from({ length: COUNT }, (_, port) => instanceAt(`http://${host}:${port + 1}`))
}

const [before, after] = [many('10.0.0.1'), many('10.0.0.2')]

function set(instances: readonly Instance[], suspect?: string): Snapshot {
  return { kind: 'snapshot', instances, excluded: [], ...(suspect === undefined ? {} : { suspect }) }
}

function hostOf(rig: Rig): string | undefined {
  const endpoint = rig.cluster.pick({ now: 0, tried: [] })
  return endpoint && new URL(endpoint.instance.origin).hostname
}

test('others have their turns meanwhile, and the last set serves until the new one does', async () => {
  const rig = new Rig({ governor: undefined })
  await rig.cluster.update(set(before))
  const old = rig.present
  const seen: (string | undefined)[] = []
  const taken = rig.cluster.update(set(after)).then(() => seen.push('taken'))
  while (!seen.includes('taken')) {
    seen.push(hostOf(rig))
    expect(old.every(({ retired }) => retired === (hostOf(rig) === '10.0.0.2'))).toBe(true)
    await nextTurn()
  }
  await taken
  expect(seen.filter((host) => host === '10.0.0.1').length).toBeGreaterThan(2)
  expect(hostOf(rig)).toBe('10.0.0.2')
  expect(rig.present).toHaveLength(COUNT)
})

test('sessions hold while a set is taken in, and after it for the endpoints that are still listed', async () => {
  const secrets = [createSecretKey(Buffer.alloc(32))]
  const carrier = { kind: 'header', name: 'x-session' } as const
  const { layer, filter } = sticky({ carrier, secrets }, 'orders')
  const rig = new Rig({ governor: undefined, outerLayers: [layer] })
  await rig.cluster.update(set(before))
  const [gone, stays] = [rig.present[0], rig.present.at(-1)] as [Watched, Watched]
  const [goneSession, session] = [gone, stays].map((endpoint) =>
    filter([], undefined, endpoint)[1]?.toString(),
  )
  const picked = (had: string | undefined): Endpoint | undefined =>
    rig.cluster.pick({ now: 0, tried: [], headers: { 'x-session': had } })
  const ends: string[] = []
  const taken = rig.cluster.update(set([stays.instance, ...after])).then(() => ends.push('taken'))
  expect(picked(goneSession)).toBe(gone)
  while (ends.length === 0) {
    expect(picked(session)).toBe(stays)
    await nextTurn()
  }
  await taken
  expect(picked(session)).toBe(stays)
  expect(picked(goneSession)).not.toBe(gone)
  expect(picked(goneSession)).toBeDefined()
})

test('closed meanwhile, it takes nothing in', async () => {
  const rig = new Rig({ governor: undefined })
  await rig.cluster.update(set(before))
  const old = rig.present
  const taken = rig.cluster.update(set(after))
  await nextTurn()
  await rig.cluster.close()
  await taken
  expect(rig.present).toEqual(old)
  expect(rig.cluster.pick({ now: 0, tried: [] })).toBeUndefined()
})

test.for([1, 2, 3, 4])(
  'paused after %i turns, what has begun is finished, and is not the last word',
  async (turns) => {
    const rig = new Rig({ governor: undefined })
    await rig.start(before)
    await until(() => rig.cluster.resolved)
    const heavier = before.map((instance) => ({ ...instance, weight: 5 }))
    rig.resolver.snapshot(heavier)
    for (let turn = 0; turn < turns; turn++) await nextTurn()
    rig.cluster.pause()
    await until(() => rig.built.length === 2)
    expect(rig.present.every(({ instance }) => instance.weight === 5)).toBe(true)
    expect(rig.cluster.resolved).toBe(false)
  },
)

/** All but one are listed, by an answer that is doubtful, so that this one is held in reserve. */
async function holdingOne(): Promise<{ rig: Rig; held: Watched; others: readonly Instance[] }> {
  const rig = new Rig()
  const [lost, ...others] = before
  if (lost === undefined) throw new Error('there is none')
  await rig.cluster.update(set(before))
  await rig.cluster.update(set(others, 'no leader'))
  return { rig, held: rig.endpoint(lost), others }
}

test('what leaves the reserve meanwhile is not brought back by it', async () => {
  const { rig, held, others } = await holdingOne()
  expect(held.retained).toBe(true)
  const taken = rig.cluster.update(set([...others, ...after], 'no leader'))
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  held.unreachable(new Error('refused'))
  await taken
  expect(held.retired).toBe(true)
  expect(rig.present).toHaveLength(2 * COUNT - 1)
  expect(rig.present).not.toContain(held)
})

test('the next watch waits for what the last one has begun', async () => {
  const { rig, held, others } = await holdingOne()
  const stop = new AbortController()
  const first = rig.cluster.update(set([...others, ...after], 'no leader'), stop.signal)
  await nextTurn()
  stop.abort()
  const second = rig.cluster.update(set([...others, ...many('10.0.0.3')], 'no leader'))
  await first
  for (let turn = 0; turn < 3; turn++) await nextTurn()
  held.unreachable(new Error('refused'))
  await second
  await until(() => held.retired)
  expect(rig.present).not.toContain(held)
  expect(rig.present.filter(({ retained }) => !retained)).toHaveLength(2 * COUNT - 1)
})
