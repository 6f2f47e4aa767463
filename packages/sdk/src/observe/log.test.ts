import { expect, test } from 'vitest'
import { createClient } from '../index.js'
import { FakeResolver, instanceAt } from '../testing/fake-resolver.js'
import { logTo } from './log.js'

test('at level debug each answer of discovery, each pick and each failed attempt is a line', async () => {
  const lines: [object, string][] = []
  const write = (fields: object, message: string): void => {
    lines.push([fields, message])
  }
  const none = (): void => undefined
  const resolver = new FakeResolver()
  resolver.snapshot([instanceAt('http://127.0.0.1:1'), instanceAt('http://127.0.0.1:2')])
  await using orders = createClient('orders', {
    resolver,
    logger: { debug: write, info: none, warn: none, error: none },
  })
  await orders.request({ path: '/v1' }).catch(none)
  expect(lines.map(([, message]) => message)).toEqual([
    'a fake resolver answered',
    'endpoint picked',
    'attempt failed; trying another endpoint',
    'endpoint picked',
    'attempt failed; not tried again: 2 attempts are the most',
  ])
  expect(lines[2]?.[0]).toMatchObject({
    service: 'orders',
    method: 'GET',
    path: '/v1',
    reason: expect.stringContaining('ECONNREFUSED') as unknown,
  })
})

test('calls and attempts are heard only where lines of level debug would be written', () => {
  const none = (): void => undefined
  const logger = { info: none, warn: none, error: none }
  const traffic = (more: object): boolean => logTo({ ...logger, ...more }).traffic
  expect(traffic({})).toBe(false)
  expect(traffic({ debug: none, isLevelEnabled: () => false })).toBe(false)
  expect(traffic({ debug: none, isLevelEnabled: () => true })).toBe(true)
  expect(traffic({ debug: none })).toBe(true)
})

test('a level that is raised at run time is heeded when calls are looked at next', () => {
  let level = 'info'
  const none = (): void => undefined
  const pino = { debug: none, info: none, warn: none, error: none, isLevelEnabled: () => level === 'debug' }
  const subscriber = logTo(pino)
  expect(subscriber.traffic).toBe(false)
  level = 'debug'
  expect(subscriber.traffic).toBe(true)
})
