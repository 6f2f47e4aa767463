import type { AdmissionOptions } from '@fairlead/sdk'
import { CommanderError } from 'commander'
import { afterEach, expect, test, vi } from 'vitest'
import { parseConfig } from './config.js'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
})

const parse = (...argv: string[]): AdmissionOptions | undefined => parseConfig(argv, '1.2.3').admission

test('there is no limit by default', () => {
  expect(parse()).toBeUndefined()
})

test('flags and variables', () => {
  const unsaid = { max: undefined, timeoutMs: undefined }
  expect(parse('--max-concurrent', '50')).toEqual({
    maxConcurrent: 50,
    queue: unsaid,
    priorityHeader: undefined,
  })
  expect(
    parse(
      '--max-concurrent',
      'adaptive',
      '--queue-max',
      '0',
      '--queue-timeout',
      '10',
      '--priority-header',
      'Priority',
    ),
  ).toEqual({ adaptive: true, queue: { max: 0, timeoutMs: 10 }, priorityHeader: 'Priority' })
  vi.stubEnv('FAIRLEAD_MAX_CONCURRENT', 'adaptive')
  vi.stubEnv('FAIRLEAD_QUEUE_MAX', '5')
  vi.stubEnv('FAIRLEAD_QUEUE_TIMEOUT', '1000')
  vi.stubEnv('FAIRLEAD_PRIORITY_HEADER', 'x-priority')
  expect(parse()).toEqual({
    adaptive: true,
    queue: { max: 5, timeoutMs: 1000 },
    priorityHeader: 'x-priority',
  })
})

test.each([
  [['--max-concurrent', '0'], 'It must be a whole number from 1 to 1000000, or adaptive.'],
  [['--max-concurrent', 'Adaptive'], 'It must be a whole number from 1 to 1000000, or adaptive.'],
  [['--max-concurrent', '5', '--queue-max', '-1'], 'It must be a whole number from 0 to 1000000'],
  [['--max-concurrent', '5', '--queue-timeout', '0'], 'It must be a whole number from 1 to 86400000'],
  [['--max-concurrent', '5', '--priority-header', 'a b'], 'It must be the name of a header'],
  [['--queue-max', '5'], '--queue-max is set without --max-concurrent'],
  [['--queue-timeout', '5'], '--queue-timeout is set without --max-concurrent'],
  [['--priority-header', 'priority'], '--priority-header is set without --max-concurrent'],
])('%j is refused', (argv, message) => {
  let printed = ''
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += String(text)
    return true
  })
  expect(() => parse(...argv)).toThrow(CommanderError)
  expect(printed).toContain(message)
})
