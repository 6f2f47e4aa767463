import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { libraries } from './libraries.js'

// What docs/http-libraries.md says is what these tests run: each row's code stands in the file that it names.
const page = readFileSync(join(import.meta.dirname, '../../docs/http-libraries.md'), 'utf8')
const [hooked = [], mocks = []] = page.split('## Mocks').map(rowsOf)

test('every library has its row, and every row its library', () => {
  expect(hooked.map(([name]) => name)).toEqual(libraries.map(({ name }) => name))
})

test.each(hooked)('%s: the code of its row is the code of its test', (name, _, how = '', __, link = '') => {
  const source = sourceOf(link)
  expect(source).toContain(`name: '${name}'`)
  expect(words(source)).toContain(words(how.replace(/^`|`$/g, '')))
})

test.each(mocks)('%s has tests', (name, _, __, link = '') => {
  expect(sourceOf(link)).toContain(`describe('${name}', `)
})

test('every mock has its row', () => {
  const described = sourceOf('(../test/libraries/mocks.test.ts)').matchAll(/^describe\('([^']+)'/gm)
  expect(mocks.map(([name]) => name)).toEqual([...described].map(([, name]) => name))
})

/** The cells of the table's body. */
function rowsOf(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (?:Library|-+) /.test(line))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

function sourceOf(link: string): string {
  const [, path = ''] = /\(([^)]+)\)$/.exec(link) ?? []
  return readFileSync(join(import.meta.dirname, '../../docs', path), 'utf8')
}

/** Without what a formatter may change: white space, and the comma behind what is last. */
function words(code: string): string {
  return code.replace(/\s+/g, '').replace(/,(?=[)\]}])/g, '')
}
