import { access, constants, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Children } from './children.js'
import { benchClient } from './client.js'
import { parseFlags, usage, type Flags, type Part } from './flags.js'
import { benchDiscovery } from './discovery/discovery.js'
import { benchGrpc } from './grpc.js'
import { describeMachine, placement, type Placement } from './machine.js'
import { benchPicks } from './picks.js'
import { benchPolicies } from './policies.js'
import { benchProxy } from './proxy.js'
import { benchRebuilds } from './rebuilds.js'
import { render } from './report.js'
import type { Results, Section } from './results.js'

type Bench = (children: Children, where: Placement, quick: boolean) => Promise<Section>

const BENCHES: Readonly<Record<Part, Bench>> = {
  picks: benchPicks,
  rebuilds: benchRebuilds,
  policies: benchPolicies,
  client: benchClient,
  grpc: benchGrpc,
  proxy: benchProxy,
  discovery: benchDiscovery,
}

async function bench({ parts, quick }: Flags, children: Children): Promise<Results> {
  const startedAt = new Date()
  const where = placement()
  const sections: Section[] = []
  for (const part of parts) {
    process.stderr.write(`${part} ...\n`)
    sections.push(await BENCHES[part](children, where, quick))
  }
  return {
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
    quick,
    machine: describeMachine(where),
    sections,
  }
}

async function main(args: readonly string[]): Promise<void> {
  const flags = parseFlags(args)
  if (flags.help) {
    console.log(usage)
    return
  }
  // Before the minutes that it would cost to find out afterwards.
  if (flags.jsonFile !== undefined) await access(dirname(flags.jsonFile), constants.W_OK)
  await using children = new Children()
  // Ended here and at once, and not by waiting for what still runs.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => void children[Symbol.asyncDispose]().finally(() => process.exit(code)))
  }
  const results = await bench(flags, children)
  // Killed workers end the measurements early; of those there is nothing to say.
  if (children.disposed) return
  console.log(render(results))
  if (flags.jsonFile !== undefined)
    await writeFile(flags.jsonFile, `${JSON.stringify(results, undefined, 2)}\n`)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
