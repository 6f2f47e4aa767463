import { registeredWeight } from '@fairlead/sdk'
import { hostname } from 'node:os'
import type { BalancerName, PickReport } from '@fairlead/sdk'
import { FakeCandidate, seededRandom } from '@fairlead/sdk/testing'
import { CommanderError } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'
import { parseConfig, type Config } from './config.js'
import { layered, type LayerSettings } from './layers.js'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const parse = (...argv: string[]): Config => parseConfig(argv, '1.2.3')

test('flags, variables and defaults', () => {
  expect(parse('--zone', 'eu-1', '--slow-start', '30000').layers).toEqual({
    subset: undefined,
    zone: 'eu-1',
    slowStartMs: 30_000,
  })
  expect(parse('--subset', '20').layers.subset).toEqual({ size: 20, id: hostname() })
  vi.stubEnv('FAIRLEAD_SUBSET', '20')
  vi.stubEnv('FAIRLEAD_SUBSET_CLIENT', '7/300')
  vi.stubEnv('FAIRLEAD_ZONE', 'eu-2')
  vi.stubEnv('FAIRLEAD_SLOW_START', '1000')
  vi.stubEnv('FAIRLEAD_PANIC_THRESHOLD', '0')
  expect(parse()).toMatchObject({
    panicThreshold: 0,
    layers: { subset: { size: 20, index: 7, of: 300 }, zone: 'eu-2', slowStartMs: 1000 },
  })
})

test.each([
  [['--subset', '0'], 'It must be a whole number from 1 to 1000000'],
  [['--subset', '5', '--subset-client', '5/5'], 'It must be index/of, such as 0/300'],
  [['--subset-client', '1/5'], '--subset-client is set without --subset'],
  [['--slow-start', 'soon'], 'It must be a whole number from 1 to 86400000'],
  [['--panic-threshold', '50'], 'It must be a number from 0 to 1'],
  [['--zone', ''], '--zone is empty: it must be the name of a zone'],
])('refuses %j', (argv, message) => {
  let printed = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  expect(() => parse(...argv)).toThrow(CommanderError)
  expect(printed).toContain(message)
})

const none = { subset: undefined, zone: undefined, slowStartMs: undefined }

test('without layers the balancer is as it was', () => {
  expect(layered(none, undefined)).toBeUndefined()
  expect(layered(none, 'maglev')).toBe('maglev')
})

/** How a pick among new instances in two zones comes about. */
function stepsOf(layers: LayerSettings, name?: BalancerName): string {
  const balancer = layered(layers, name)
  if (typeof balancer !== 'function') throw new Error('there is no layer')
  const endpoints = Array.from(
    { length: 12 },
    (_, index) => new FakeCandidate(1 + index, 1, 0, index < 6 ? 'a' : 'b'),
  )
  const told: string[] = []
  const picker = balancer(endpoints, seededRandom(1), registeredWeight)
  const report: PickReport<FakeCandidate> = {
    step: (text) => void told.push(text),
    compared: () => undefined,
    skipped: (_, reason) => void told.push(reason),
  }
  picker.explain?.({ now: 0, tried: [] }, report)
  return told.join('; ')
}

test('each layer that is asked for stands before the balancer, or the default', () => {
  expect(stepsOf({ ...none, zone: 'a' })).toMatch(/zone a, our own, gets 100%.*the less loaded of two/)
  expect(stepsOf({ ...none, zone: 'a' }, 'round_robin')).toMatch(/zone a, our own.*next in rotation/)
  expect(stepsOf({ ...none, subset: { size: 5, index: 1, of: 2 } })).toContain('subset of 5 of 12')
  expect(stepsOf({ ...none, slowStartMs: 60_000 }, 'round_robin')).toContain('in slow start, and gets 10%')
  expect(stepsOf({ subset: { size: 11, id: 'a' }, zone: 'b', slowStartMs: 60_000 }, 'random')).toMatch(
    /subset of 11 of 12.*zone b, our own.*drawn at random.*in slow start/,
  )
})
