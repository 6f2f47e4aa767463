import { hostname } from 'node:os'
import { CommanderError } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'
import { parseConfig, type Config } from './config.js'
import { layered } from './layers.js'

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
  [['--subset-client', '1/5'], '--subset-client is given, but not --subset'],
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

test('layers stand before the balancer that is named, else before the default', () => {
  const none = { subset: undefined, zone: undefined, slowStartMs: undefined }
  expect(layered(none, undefined)).toBeUndefined()
  expect(layered(none, 'maglev')).toBe('maglev')
  expect(layered({ ...none, zone: 'eu-1' }, undefined)).toBeTypeOf('function')
  expect(layered({ subset: { size: 2, id: 'a' }, zone: 'a', slowStartMs: 1 }, 'random')).toBeTypeOf(
    'function',
  )
})
