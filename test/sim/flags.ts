import { parseArgs } from 'node:util'
import { policies } from './policies.js'
import type { Scenario } from './scenario.js'
import { scenarios } from './scenarios.js'

export interface Flags {
  readonly scenarios: readonly Scenario[]
  /** Names, in the order in which they are reported. */
  readonly policies: readonly string[]
  /** A quarter of the clients and servers: to see that it works, not to quote from. */
  readonly quick: boolean
  /** Where to write the page and its charts; undefined: nowhere. */
  readonly out: string | undefined
  readonly help: boolean
}

export const usage: string = `Usage: npm run sim -- [flags]

  --scenario NAME  one scenario only; may be repeated: ${scenarios.map(({ name }) => name).join(', ')}
  --policy NAME    one policy only; may be repeated: ${Object.keys(policies).join(', ')}
  --quick          25 clients and servers instead of 100: about a minute, with figures to match
  --out FOLDER     writes simulation.md and its charts there
  --help`

/** @throws Error in one line for what it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: { type: 'string', multiple: true },
      policy: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const known = scenarios.map(({ name }) => name)
  const chosen = chosenOf('scenario', values.scenario, known)
  return {
    scenarios: scenarios.filter(({ name }) => chosen.includes(name)),
    policies: chosenOf('policy', values.policy, Object.keys(policies)),
    quick: values.quick,
    out: values.out,
    help: values.help,
  }
}

/** In the order in which they are known, or all. */
function chosenOf(
  flag: string,
  given: readonly string[] | undefined,
  known: readonly string[],
): readonly string[] {
  for (const name of given ?? []) {
    if (!known.includes(name)) throw new Error(`--${flag} ${name}: it must be one of ${known.join(', ')}`)
  }
  return given === undefined ? known : known.filter((name) => given.includes(name))
}
