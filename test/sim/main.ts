import { access, constants } from 'node:fs/promises'
import type { Resilience } from './client.js'
import { figuresOf } from './figures.js'
import { parseFlags, usage, type Flags } from './flags.js'
import { policies } from './policies.js'
import { writePage } from './report/page.js'
import { resultTable } from './report/table.js'
import type { Result, Run } from './report/result.js'
import type { Scenario } from './scenario.js'
import { Simulation } from './simulation.js'

const SIZE = 100
const QUICK_SIZE = 25
const SEED = 1

/** What is compared are policies, not what else keeps requests from an endpoint; `faults/main.ts` compares that. */
const POLICY_ALONE: Resilience = { outlierDetection: false, breaker: { consecutiveFailures: false } }

/** Every policy in every scenario, each told of as soon as it is known. */
async function simulate(flags: Flags): Promise<readonly Result[]> {
  const results: Result[] = []
  for (const scenario of flags.scenarios) {
    const runs: Run[] = []
    for (const policy of flags.policies) runs.push(await runOf(scenario, policy, sizeOf(flags)))
    const result = { scenario, runs }
    console.log(`\n${scenario.title} (${scenario.name})\n${resultTable(result)}`)
    results.push(result)
  }
  return results
}

async function runOf(scenario: Scenario, policy: string, size: number): Promise<Run> {
  const balancer = policies[policy]
  if (balancer === undefined) throw new Error(`there is no policy ${policy}`)
  process.stderr.write(`${scenario.name}, ${policy} ...\n`)
  const simulation = new Simulation({
    ...{ scenario, balancer, clients: size, servers: size, seed: SEED },
    resilience: POLICY_ALONE,
  })
  await simulation.run()
  return { policy, figures: figuresOf(simulation, scenario.spans) }
}

function sizeOf({ quick }: Flags): number {
  return quick ? QUICK_SIZE : SIZE
}

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args)
  if (flags.help) {
    console.log(usage)
    return
  }
  // Before the minutes that it would cost to find out afterwards.
  if (flags.out !== undefined) await access(flags.out, constants.W_OK)
  const results = await simulate(flags)
  if (flags.out !== undefined) await writePage(flags.out, results, sizeOf(flags))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
