import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const folder = join(import.meta.dirname, '../../docs/decisions')
const pages = readdirSync(folder).filter((name) => name !== 'README.md')
const list = readFileSync(join(folder, 'README.md'), 'utf8')

test.each(pages)('%s has its number, a status and a date, and is listed', (name) => {
  const text = readFileSync(join(folder, name), 'utf8')
  const [title, , status, date] = text.split('\n')
  const number = name.slice(0, 4)
  expect(title).toMatch(new RegExp(`^# ${Number(number)}\\. \\S`))
  expect(status).toMatch(/^- Status: (?:accepted|superseded by \[\d+\]\(\d{4}-[\w-]+\.md\).*)$/)
  expect(date).toMatch(/^- Date: \d{4}-\d{2}-\d{2}$/)
  expect(list).toMatch(new RegExp(`^- ${number} \\[.+\\]\\(${name}\\): \\S`, 'm'))
})

test('the list names no page that is not there', () => {
  const listed = [...list.matchAll(/^- \d{4} \[.+?\]\((.+?)\)/gm)].map(([, name]) => name)
  expect(listed).toEqual(pages.toSorted())
})
