import { expect, test } from 'vitest'
import { commandOf } from './config.js'

test('every option but --version has a group', () => {
  const without = commandOf('1.2.3').options.filter(({ helpGroupHeading }) => helpGroupHeading === undefined)
  expect(without.map(({ long }) => long)).toEqual(['--version'])
})

test('--help shows options by group', () => {
  expect(commandOf('1.2.3').helpInformation()).toMatch(/\nConsul:\n {2}--consul <address>/)
})
