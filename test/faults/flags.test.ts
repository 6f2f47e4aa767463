import { expect, test } from 'vitest'
import { faults } from './catalogue.js'
import { parseFlags } from './flags.js'

test('without flags it is all of it', () => {
  expect(parseFlags([])).toEqual({
    faults,
    subjects: ['sdk', 'sidecar'],
    quick: false,
    ratePerSecond: 2000,
    jsonFile: undefined,
    fromFile: undefined,
    write: false,
    help: false,
  })
})

test('what is chosen comes in the order of the catalogue', () => {
  const { faults, subjects, ratePerSecond } = parseFlags(
    '--only hang --only kill --subject sidecar --rate 100'.split(' '),
  )
  expect(faults.map(({ name }) => name)).toEqual(['kill', 'hang'])
  expect(subjects).toEqual(['sidecar'])
  expect(ratePerSecond).toBe(100)
})

test.each([
  ['--only hangs', '--only hangs: it must be one of no-fault, refuse, '],
  ['--subject proxy', '--subject proxy: it must be one of sdk, sidecar'],
  ['--rate fast', '--rate fast: it must be a whole number from 1 to 10000'],
  ['--rate 10001', '--rate 10001: it must be'],
  ['--quick --write', '--write: the page is of a whole run'],
  ['--only kill --write', '--write: the page is of a whole run'],
  ['--from a.json --quick', '--from: nothing is measured'],
])('%s is an error that says what to write', (args, said) =>
  expect(() => parseFlags(args.split(' '))).toThrow(said),
)

test('each fault has a name of its own', () =>
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length))
