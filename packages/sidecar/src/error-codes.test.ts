import { readFileSync } from 'node:fs'
import { FairleadError, type FairleadErrorCode } from '@fairlead/sdk'
import { expect, test } from 'vitest'
import { ERROR_CODES, errorHelp } from './error-codes.js'
import { errorResponse } from './proxy/failure-response.js'

const codes = Object.entries(ERROR_CODES)

test('--help lists every answer of its own', () => {
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

test('docs/errors.md has the status of each code of the SDK', () => {
  const page = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8')
  const said = [...page.matchAll(/^### `(\w+)`\n\nThe sidecar answers (.*)\.$/gm)]
  expect(said.length).toBeGreaterThan(0)
  for (const [, code = '', answer] of said) {
    const error = new FairleadError(code as FairleadErrorCode, 'why')
    const { status, code: shown } = errorResponse(error, 'orders')
    expect(answer, code).toBe(code === shown ? `${status}` : `${status} \`${shown}\``)
  }
})
