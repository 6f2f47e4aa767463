import { expect, test } from 'vitest'
import { Leaving } from './leaving.js'

/** What a server does with the connection of each response: keeps it (`.`) or closes it (`x`). */
function announced(script: string): number {
  let leaving = 0
  const watch = new Leaving(() => leaving++)
  for (const each of script) {
    if (each === 'x') watch.closedBehind()
    watch.answered()
  }
  return leaving
}

test.each([
  ['that kept its connections and closes three in a row', '.'.repeat(20) + 'xxx', 1],
  ['that goes on so', '.'.repeat(20) + 'x'.repeat(9), 3],
  ['with two in a row', '.'.repeat(20) + 'xx' + '.'.repeat(20) + 'xx', 0],
  ['that always closes', 'x'.repeat(1000), 0],
  ['that closes one in ten', ('.'.repeat(9) + 'x').repeat(100), 0],
  ['that closes every other', '.'.repeat(20) + '.x'.repeat(100), 0],
  ['that keeps all', '.'.repeat(1000), 0],
])('of one %s', (_, script, times) => {
  expect(announced(script)).toBe(times)
})
