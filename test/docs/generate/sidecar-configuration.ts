import { commandOf } from '#sidecar/config/config.js'
import { code, sentence, table } from './markdown.js'
import { notice, type Page } from './page.js'

const SOURCE = 'packages/sidecar/src/config'

/** docs/sidecar-configuration.md: every option of the sidecar, as its command line has them. */
export const sidecarConfiguration: Page = {
  path: 'docs/sidecar-configuration.md',
  make: () => `# Configuration of the sidecar

${notice(SOURCE)}

Each option is a flag and an environment variable; the flag wins, and a variable that is empty or blank is not set. What
cannot be used is an error at the start, which names the option, the value and what it should be. A flag that may be
repeated may also have several values with commas between them.

${[...optionsByGroup()].map(([group, options]) => section(group, options)).join('\n\n')}

## Behind the options, as \`--help\` has it

\`\`\`
${belowTheOptions()}
\`\`\`

How to reach Consul is described option by option in [Consul](consul.md#reaching-the-agent), what the policies and layers do
in [Balancing](balancing.md), and how to run the process in [The sidecar](sidecar.md).
`,
}

/** What `--help` says after the options. */
function belowTheOptions(): string {
  const command = commandOf('')
  let help = ''
  command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp()
  return help.slice(command.helpInformation().length).trim()
}

type Option = ReturnType<typeof commandOf>['options'][number]

function optionsByGroup(): ReadonlyMap<string, readonly Option[]> {
  const groups = new Map<string, Option[]>()
  for (const option of commandOf('').options) {
    // That of --version, which is not configuration.
    if (option.helpGroupHeading === undefined) continue
    const heading = option.helpGroupHeading.replace(/:$/, '')
    groups.set(heading, [...(groups.get(heading) ?? []), option])
  }
  return groups
}

function section(group: string, options: readonly Option[]): string {
  const rows = options.map((option) => {
    const { meaning, byDefault } = wordsOf(option)
    const variable = option.envVar === undefined ? '' : code(option.envVar)
    return [code(option.flags), variable, byDefault, valuesOf(option), sentence(meaning)]
  })
  return `## ${group}\n\n${table(['Flag', 'Variable', 'Default', 'Values', 'Meaning'], rows)}`
}

/** A default that is not a value stands in the description: "what it is (default: where it comes from)". */
function wordsOf({ description, defaultValue, defaultValueDescription }: Option): {
  readonly meaning: string
  readonly byDefault: string
} {
  const [, meaning = description, said] = /^(.*?) \(default: (.*)\)$/.exec(description) ?? []
  const value = defaultValueDescription ?? (defaultValue as { toString(): string } | undefined)?.toString()
  return { meaning, byDefault: said ?? value ?? 'none' }
}

/** What its parser says that a value must be, when it is given one that cannot be. */
function valuesOf({ argChoices, parseArg }: Option): string {
  if (argChoices !== undefined) return argChoices.map(code).join(', ')
  for (const wrong of ['', '?']) {
    const [, values] =
      /^It must be (.*?)(?:, not .*|, and "[^"]*" is none of them)?\.$/.exec(complaint(parseArg, wrong)) ?? []
    if (values !== undefined) return values
  }
  return ''
}

function complaint(parseArg: Option['parseArg'], value: string): string {
  try {
    parseArg?.(value, [])
    return ''
  } catch (error) {
    return (error as Error).message
  }
}
