import { access, constants } from 'node:fs/promises'
import { figuresOf } from './figures.js'
import { parseFlags, usage, type Flags } from './flags.js'
import { policies } from './policies.js'
import { writePage } from './report/page.js'
import { resultTable } from './report/table.js'
import type { Result } from './report/result.js'
import { Simulation } from './simulation.js'

const SIZE = 100
const QUICK_SIZE = 25
const SEED = 1

/** Every policy in every scenario, each told of as soon as it is known. */
function simulate(flags: Flags): readonly Result[] {
  const size = flags.quick ? QUICK_SIZE : SIZE
  return flags.scenarios.map((scenario) => {
    const runs = flags.policies.flatMap((policy) => {
      const balancer = policies[policy]
      if (balancer === undefined) return []
      process.stderr.write(`${scenario.name}, ${policy} ...\n`)
      const simulation = new Simulation({
        scenario,
        balancer,
        clients: size,
        servers: size,
        seed: SEED,
      }).run()
      return [{ policy, figures: figuresOf(simulation, scenario.spans) }]
    })
    const result = { scenario, runs }
    console.log(`\n${scenario.title} (${scenario.name})\n${resultTable(result)}`)
    return result
  })
}

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args)
  if (flags.help) {
    console.log(usage)
    return
  }
  // Before the minutes that it would cost to find out afterwards.
  if (flags.out !== undefined) await access(flags.out, constants.W_OK)
  const results = simulate(flags)
  if (flags.out !== undefined) await writePage(flags.out, results, flags.quick ? QUICK_SIZE : SIZE)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
