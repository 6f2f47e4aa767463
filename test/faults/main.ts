import { access, constants, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Children } from '../bench/children.js'
import { describeMachine } from '../bench/machine.js'
import { parseFlags, usage, type Flags } from './flags.js'
import { currentNetwork, rerunInNamespace, type Network } from './network.js'
import { PAGE, renderFaults } from './page.js'
import { FULL, INSTANCES, QUICK } from './plan.js'
import { render } from './report.js'
import { measured, notMeasured, type Results, type Row } from './results.js'
import { record } from './run.js'
import { whyNot, type SubjectName } from './subject.js'
import type { Fault } from './catalogue.js'

async function measure(flags: Flags, children: Children, network: Network): Promise<Results> {
  const startedAt = new Date()
  const plan = flags.quick ? QUICK : FULL
  const row = async (subject: SubjectName, fault: Fault): Promise<Row> => {
    const why = whyNot(subject, fault.setting) ?? whyNoPackets(fault, network)
    if (why !== undefined) return notMeasured(subject, fault, why)
    process.stderr.write(`${subject}, ${fault.name} ...\n`)
    try {
      return measured(subject, fault, await record(children, subject, fault, plan, flags.ratePerSecond))
    } catch (error) {
      // The others can be measured all the same.
      return notMeasured(subject, fault, error instanceof Error ? error.message : String(error))
    }
  }
  const rows: Row[] = []
  for (const subject of flags.subjects) for (const fault of flags.faults) rows.push(await row(subject, fault))
  return {
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    quick: flags.quick,
    machine: describeMachine({
      subject: undefined,
      load: undefined,
      unpinned: 'instances, load and subject share all cores',
    }),
    ratePerSecond: flags.ratePerSecond,
    instances: INSTANCES,
    plan,
    rows,
  }
}

function whyNoPackets({ means }: Fault, network: Network): string | undefined {
  return means.by === 'packets' && network.kind === 'shared'
    ? `this machine does not let packets be dropped: ${network.why}`
    : undefined
}

/** A program that is stopped has nothing to say of what it has measured. */
async function newResults(flags: Flags, network: Network): Promise<Results | undefined> {
  await using children = new Children(join(import.meta.dirname, 'subjects'))
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void children[Symbol.asyncDispose]().finally(() => process.exit(code)))
  }
  const results = await measure(flags, children, network)
  return children.disposed ? undefined : results
}

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args)
  if (flags.help) {
    console.log(usage)
    return
  }
  if (flags.fromFile !== undefined) {
    await show(flags, JSON.parse(await readFile(flags.fromFile, 'utf8')) as Results)
    return
  }
  // Before the minutes that it would cost to find out afterwards.
  if (flags.jsonFile !== undefined) await access(dirname(flags.jsonFile), constants.W_OK)
  const network = currentNetwork()
  const code = network.kind === 'own' ? await rerunInNamespace() : undefined
  if (code !== undefined) {
    process.exitCode = code
    return
  }
  const results = await newResults(flags, network)
  if (results !== undefined) await show(flags, results)
}

async function show({ jsonFile, write }: Flags, results: Results): Promise<void> {
  if (write && results.quick)
    throw new Error('--write: these are figures of --quick, which are not to be quoted')
  console.log(render(results))
  if (jsonFile !== undefined) await writeFile(jsonFile, `${JSON.stringify(results, undefined, 2)}\n`)
  // npm runs scripts at the root of the repository.
  const root = process.cwd()
  if (write) await writeFile(join(root, PAGE), await renderFaults(root, results))
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
