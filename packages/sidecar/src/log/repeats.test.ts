import { ManualClock } from '@fairlead/sdk/testing'
import { describe, expect, test } from 'vitest'
import { limitRepeats } from './repeats.js'

function setUp(): { lines: unknown[]; logger: ReturnType<typeof limitRepeats>; clock: ManualClock } {
  const lines: unknown[] = []
  const clock = new ManualClock()
  const write =
    (level: string) =>
    (fields: object, message: string): void => {
      lines.push({ level, ...fields, message })
    }
  const logger = { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
  return { lines, logger: limitRepeats(logger, clock), clock }
}

const warnings = (lines: readonly unknown[]): unknown[] =>
  lines.filter((line) => (line as { level: string }).level === 'warn')

describe('repeated warnings', () => {
  test('300 of a kind are two lines: the first, and how many followed it', async () => {
    const { lines, logger, clock } = setUp()
    for (let index = 0; index < 300; index++)
      logger.warn({ service: 'gone', code: 'NO_ENDPOINTS' }, `no instance, request ${index}`)
    expect(warnings(lines)).toEqual([
      { level: 'warn', service: 'gone', code: 'NO_ENDPOINTS', message: 'no instance, request 0' },
    ])
    await clock.advance(10_000)
    expect(warnings(lines).slice(1)).toEqual([
      {
        level: 'warn',
        service: 'gone',
        code: 'NO_ENDPOINTS',
        repeats: 299,
        windowMs: 10_000,
        message: 'no instance, request 299',
      },
    ])
    // At level debug each one is there.
    expect(lines).toHaveLength(301)
  })

  test('other services and other codes are other kinds', () => {
    const { lines, logger } = setUp()
    for (const service of ['a', 'b']) {
      for (const code of ['NO_ENDPOINTS', 'DEADLINE_EXCEEDED', 'NO_ENDPOINTS'])
        logger.warn({ service, code }, 'x')
    }
    logger.warn({ service: 'a' }, 'response aborted')
    logger.warn({ service: 'a' }, 'response aborted')
    expect(warnings(lines)).toHaveLength(5)
  })

  test('after a quiet window it is news again, and nothing is pending', async () => {
    const { lines, logger, clock } = setUp()
    logger.warn({ service: 'a', code: 'X' }, 'first')
    await clock.advance(10_000)
    expect(clock.pending).toBe(0)
    logger.warn({ service: 'a', code: 'X' }, 'second')
    expect(warnings(lines)).toHaveLength(2)
  })

  test('of made-up names five have a line, and the others are counted together', async () => {
    const { lines, logger, clock } = setUp()
    for (let index = 0; index < 5000; index++)
      logger.warn({ service: `s-${index}`, code: 'OVERLOADED' }, `too many: s-${index}`)
    expect(warnings(lines)).toHaveLength(5)
    await clock.advance(10_000)
    expect(warnings(lines).slice(5)).toEqual([
      {
        level: 'warn',
        service: undefined,
        services: ['s-5', 's-6', 's-7', 's-8', 's-9'],
        code: 'OVERLOADED',
        repeats: 4995,
        windowMs: 10_000,
        message: 'too many: s-4999',
      },
    ])
    await clock.advance(10_000)
    expect(warnings(lines)).toHaveLength(6)
    expect(clock.pending).toBe(0)
  })

  test('of texts that are never the same fifty have a line, and the others are counted together', async () => {
    const { lines, logger, clock } = setUp()
    for (let index = 0; index < 5000; index++) logger.warn({ service: 'orders' }, `text ${index}`)
    expect(warnings(lines)).toHaveLength(51)
    await clock.advance(10_000)
    expect(warnings(lines).slice(51)).toMatchObject([
      { service: 'orders', repeats: 4949, message: 'text 4999' },
    ])
  })

  test('other levels go through', () => {
    const { lines, logger } = setUp()
    for (let index = 0; index < 3; index++) {
      logger.info({}, 'i')
      logger.error({}, 'e')
    }
    expect(lines).toHaveLength(6)
  })
})

test.each([true, false])('says whether the logger behind it would write level debug: %s', (enabled) => {
  const none = (): void => undefined
  const behind = { debug: none, info: none, warn: none, error: none, isLevelEnabled: () => enabled }
  const limited = limitRepeats(behind, new ManualClock())
  expect((limited as Partial<typeof behind>).isLevelEnabled?.()).toBe(enabled)
})
