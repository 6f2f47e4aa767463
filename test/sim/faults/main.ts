import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import { policies } from '../policies.js'
import { faultRun, type FaultFigures } from './fault-run.js'
import { faults } from './faults.js'
import { variants } from './variants.js'

const SEED = 1

const usage = `Usage: npm run sim:faults -- [flags]

  --size N       so many clients and servers; default 100
  --policy NAME  one policy only; may be repeated: ${Object.keys(policies).join(', ')}; default round_robin, peak_ewma
  --fault NAME   one fault only; may be repeated: ${faults.map(({ name }) => name).join(', ')}
  --help`

/** One fault after another, each told of as soon as it is known. */
async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      size: { type: 'string', default: '100' },
      policy: { type: 'string', multiple: true, default: ['round_robin', 'peak_ewma'] },
      fault: { type: 'string', multiple: true, default: faults.map(({ name }) => name) },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
    return
  }
  const size = Number(values.size)
  if (!Number.isInteger(size) || size < 2)
    throw new Error(`--size ${values.size}: it must be a whole number from 2`)
  requireKnown('policy', values.policy, Object.keys(policies))
  requireKnown(
    'fault',
    values.fault,
    faults.map(({ name }) => name),
  )
  for (const fault of faults.filter(({ name }) => values.fault.includes(name))) {
    const table = new Table({
      head: ['policy', 'client', 'failed %', 'after', 'p99 ms', 'after', 'left s', 'back s', 'attempts'],
      style: { head: [], border: [], compact: true },
    })
    for (const name of values.policy) {
      const balancer = policies[name]
      if (balancer === undefined) continue
      for (const [variant, resilience] of Object.entries(variants)) {
        process.stderr.write(`${fault.name}, ${name}, ${variant} ...\n`)
        const run = { fault, balancer, resilience, clients: size, servers: size, seed: SEED }
        table.push([name, variant, ...cells(await faultRun(run))])
      }
    }
    console.log(`\n${fault.title} (${fault.name})\n${table.toString()}`)
  }
}

function cells(figures: FaultFigures): readonly string[] {
  const { failed, failedAfter, p99, p99After, leftS, backS, amplification } = figures
  return [
    ...[failed, failedAfter].map((share) => share.toFixed(2)),
    ...[p99, p99After].map((ms) => ms.toFixed(0)),
    ...[leftS, backS].map((seconds) => seconds?.toFixed(1) ?? 'never'),
    amplification.toFixed(3),
  ]
}

function requireKnown(flag: string, given: readonly string[], known: readonly string[]): void {
  const unknown = given.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`--${flag} ${unknown}: it must be one of ${known.join(', ')}`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
