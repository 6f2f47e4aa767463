import { readFileSync } from 'node:fs'
import { FairleadError } from '@fairlead/sdk'
import { expect, test } from 'vitest'
import { ERROR_CODES, errorHelp, type ErrorCode } from './error-codes.js'
import { errorResponse } from './proxy/failure-response.js'

/** The cells of the table of a page whose head begins with these. */
function tableOf(page: string, ...head: readonly string[]): string[][] {
  const lines = readFileSync(new URL(`../../../${page}`, import.meta.url), 'utf8').split('\n')
  const rows = lines.map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
  const first = rows.findIndex((row) => head.every((cell, index) => row[index] === cell))
  const rest = rows.slice(first + 2)
  return rest.slice(
    0,
    rest.findIndex((row) => row.length === 0),
  )
}

const codes = Object.entries(ERROR_CODES)

test("the README of the sidecar lists every answer of its own, in the sidecar's words", () => {
  expect(tableOf('packages/sidecar/README.md', 'Status', 'Code', 'Why')).toEqual(
    codes.map(([code, { status, why }]) => [`${status}`, `\`${code}\``, why]),
  )
})

test('so does --help', () => {
  expect(errorHelp().split('\n')).toEqual(
    codes.map(
      ([code, { status }]) => expect.stringMatching(new RegExp(`^  ${status} ${code} +\\S`)) as string,
    ),
  )
})

test('by status, and each of them an error', () => {
  const statuses = codes.map(([, { status }]) => status)
  expect(statuses).toEqual([...statuses].sort((a, b) => a - b))
  expect(statuses.every((status) => status >= 400 && status < 600)).toBe(true)
})

test("the project's README has the status of each code of the SDK", () => {
  const rows = tableOf('README.md', 'Code', 'Sidecar')
  expect(rows.length).toBeGreaterThan(0)
  for (const [code = '', said] of rows) {
    const error = new FairleadError(
      code.replaceAll('`', '') as Exclude<ErrorCode, 'BAD_REQUEST'> as never,
      'why',
    )
    const { status, code: shown } = errorResponse(error, 'orders')
    expect(said, code).toBe(code === `\`${shown}\`` ? `${status}` : `${status} \`${shown}\``)
  }
})
