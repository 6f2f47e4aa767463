import { parseArgs } from 'node:util'
import { faults, type Fault } from './catalogue.js'
import { RATE_PER_SECOND } from './plan.js'
import { subjectNames, type SubjectName } from './subject.js'

export interface Flags {
  readonly faults: readonly Fault[]
  readonly subjects: readonly SubjectName[]
  /** Shorter: to see that it works, not to quote from. */
  readonly quick: boolean
  /** Requests a second in all. */
  readonly ratePerSecond: number
  readonly jsonFile: string | undefined
  /** Results of an earlier run, which are shown instead of those of a new one. */
  readonly fromFile: string | undefined
  /** Write the page. */
  readonly write: boolean
  readonly help: boolean
}

export const usage: string = `Usage: npm run faults -- [flags]

  --only NAME     one fault only; may be repeated: ${faults.map(({ name }) => name).join(', ')}
  --subject NAME  one subject only: ${subjectNames.join(', ')}; may be repeated
  --quick         2 s a fault instead of 8, with figures to match
  --rate N        requests a second in all, ${RATE_PER_SECOND} by default: for a machine that is too slow for that
  --json FILE     write the figures
  --from FILE     show figures that --json wrote, and measure nothing
  --write         write docs/faults.md, of all faults and subjects
  --help`

/** @throws Error in one line for what it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      subject: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      rate: { type: 'string' },
      json: { type: 'string' },
      from: { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const { only, subject, rate, quick, write, json, from } = values
  const partial = quick || [only, subject, rate].some((value) => value !== undefined)
  if (write && partial)
    throw new Error('--write: the page is of a whole run: remove --quick, --only, --subject and --rate')
  if (from !== undefined && (partial || json !== undefined))
    throw new Error('--from: nothing is measured: remove --quick, --only, --subject, --rate and --json')
  const names = chosenOf(
    'only',
    only,
    faults.map(({ name }) => name),
  )
  return {
    faults: faults.filter(({ name }) => names.includes(name)),
    subjects: chosenOf('subject', subject, subjectNames),
    quick,
    ratePerSecond: rate === undefined ? RATE_PER_SECOND : rateFrom(rate),
    jsonFile: json,
    fromFile: from,
    write,
    help: values.help,
  }
}

// Above it one process of Node has no time left for anything else.
const HIGHEST_RATE = 10_000

function rateFrom(text: string): number {
  const rate = Number(text)
  if (!/^\d+$/.test(text) || rate < 1 || rate > HIGHEST_RATE)
    throw new Error(`--rate ${text}: it must be a whole number from 1 to ${HIGHEST_RATE}`)
  return rate
}

/** In the order in which they are known, or all. */
function chosenOf<Name extends string>(
  flag: string,
  given: readonly string[] | undefined,
  known: readonly Name[],
): readonly Name[] {
  const unknown = given?.find((name) => !known.some((one) => one === name))
  if (unknown !== undefined) throw new Error(`--${flag} ${unknown}: it must be one of ${known.join(', ')}`)
  return given === undefined ? known : known.filter((name) => given.includes(name))
}
