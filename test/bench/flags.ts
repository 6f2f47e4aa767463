import { parseArgs } from 'node:util'

export type Part = 'picks' | 'rebuilds' | 'policies' | 'client' | 'grpc' | 'proxy' | 'discovery'

const PARTS: readonly Part[] = ['picks', 'rebuilds', 'policies', 'client', 'grpc', 'proxy', 'discovery']

export interface Flags {
  readonly parts: readonly Part[]
  /** Fewer and shorter rounds: to see that it works, not to quote from. */
  readonly quick: boolean
  readonly jsonFile: string | undefined
  readonly help: boolean
}

export const usage: string = `Usage: npm run bench -- [flags]

  --only PART   one part only: ${PARTS.join(', ')}; may be repeated
  --quick       under a minute, with figures to match
  --json FILE   write everything that was measured, round by round
  --help`

/** @throws Error in one line for what it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', multiple: true },
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const only = values.only?.map(partNamed) ?? PARTS
  return {
    parts: PARTS.filter((part) => only.includes(part)),
    quick: values.quick,
    jsonFile: values.json,
    help: values.help,
  }
}

function partNamed(name: string): Part {
  const part = PARTS.find((known) => known === name)
  if (part === undefined) throw new Error(`--only ${name}: it must be one of ${PARTS.join(', ')}`)
  return part
}
