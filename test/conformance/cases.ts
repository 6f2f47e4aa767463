import { expect, test } from 'vitest'
import { Wire, type Application, type WireOptions } from './wire.js'

/** Bytes that an application writes, and what has to come of them. */
export interface Case {
  readonly name: string
  /** Each is written, and read, on its own. */
  readonly write: readonly string[]
  /** The statuses that the application reads, in order, without interim ones. */
  readonly statuses: readonly number[]
  /** What the instance gets, as `GET /path` or `POST /path body`; by default nothing. */
  readonly got?: readonly string[]
  /** Does the connection end with the last response? By default it goes on, and the next request on it is served. */
  readonly ends?: boolean
  /** `x-fairlead-error` of the last response, where that is ours. */
  readonly error?: string
}

/** On a connection that lives on the next request has to be understood, and to be the next that is. */
const NEXT = 'GET /next HTTP/1.1\r\nHost: orders\r\n\r\n'

/** One test for each case. */
export function testCases(cases: readonly Case[], options: WireOptions = {}): void {
  test.each(cases)('$name', async (row) => {
    const wire = await Wire.start(options)
    await plays(wire, wire.connect(), row)
  })
}

/** Writes the bytes of a case, and checks what comes of them. */
async function plays(wire: Wire, application: Application, row: Case): Promise<void> {
  const { write, statuses, got = [], ends = false, error } = row
  await application.write(...write)
  let answers = await (ends ? application.end() : application.answered(statuses.length))
  if (!ends) {
    await application.write(NEXT)
    answers = await application.answered(statuses.length + 1)
  }
  expect(answers.map(({ status }) => status)).toEqual(ends ? statuses : [...statuses, 200])
  expect(application.rest).toBe('')
  expect(application.reset).toBe(false)
  expect(wire.gist).toEqual(ends ? got : [...got, 'GET /next'])
  const last = answers[statuses.length - 1]
  expect(last?.headers['x-fairlead-error']).toBe(error)
  if (error === undefined) return
  // What is ours says what and why, to people and to programs.
  expect(last?.headers['content-type']).toBe('application/json')
  if (last?.body !== '') expect(JSON.parse(last?.body ?? '')).toMatchObject({ error, message: /./ })
}
