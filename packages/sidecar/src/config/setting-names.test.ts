import { readdirSync, readFileSync } from 'node:fs'
import { expect, test, vi } from 'vitest'
import { parseConfig } from './config.js'
import { inOurSettings, SETTINGS } from './setting-names.js'

/** Options of the SDK that the sidecar has no setting for. */
const NONE = [
  'connections.connectTimeoutMs',
  'connections.keepAliveMs',
  'connections.protocol',
  'connections.drainMs',
  'retry.perTryTimeoutMs',
  'exclude',
  'connections.maxPerEndpoint',
  'snapshot.maxAgeMs',
  'idempotent',
  'id',
  'logger',
  'retry',
  'balancer',
]

test('every option that the errors of the SDK name has a setting, or is known to have none', () => {
  const directory = new URL('../../../sdk/src/', import.meta.url)
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const sources = files.filter((name) => name.endsWith('.ts') && !/\.test\./.test(name))
  const named = sources.flatMap((name) =>
    [...readFileSync(new URL(name, directory), 'utf8').matchAll(/\(option ([\w.]+)/g)].map(
      ([, option]) => option,
    ),
  )
  expect(named).toContain('timeoutMs')
  expect(named.filter((option = '') => !(option in SETTINGS) && !NONE.includes(option))).toEqual([])
  expect(NONE.filter((option) => option in SETTINGS || !named.includes(option))).toEqual([])
})

test('every setting is in --help', () => {
  let printed = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  expect(() => parseConfig(['--help'], '1.2.3')).toThrow('(outputHelp)')
  vi.restoreAllMocks()
  for (const setting of Object.values(SETTINGS)) expect(printed).toContain(setting)
})

test.each([
  ['no response after 9 ms (option timeoutMs), attempt 1', 'no response after 9 ms (--timeout), attempt 1'],
  [
    'refused: the token (option consul.token, or CONSUL_HTTP_TOKEN) needs x',
    'refused: the token (CONSUL_HTTP_TOKEN) needs x',
  ],
  ['within 9 ms (option connections.connectTimeoutMs)', 'within 9 ms'],
  ['widen a, or keep connections longer (option connections.keepAliveMs)', 'widen a'],
  ['sent there (option idempotent)', 'sent there'],
  ['GET /?a=(option+timeoutMs) failed', 'GET /?a=(option+timeoutMs) failed'],
])('%s', (text, ours) => {
  expect(inOurSettings(text)).toBe(ours)
})
