import { balancers } from '@fairlead/sdk'
import type { Change } from '../subjects/agent-service.js'
import { Rig } from './rig.js'
import type { Meaning, Surroundings, Topic } from './topic.js'

const INSTANCES = 10_000
const SERVICE = 'orders'
const LONGEST_STALL_MS = 50

const CHANGES: Readonly<Record<string, Change>> = {
  'one instance changed': { kind: 'weights', count: 1 },
  'half changed': { kind: 'weights', count: INSTANCES / 2 },
  'half replaced': { kind: 'replaced', count: INSTANCES / 2 },
  'only check outputs changed': { kind: 'outputs' },
}
const UPDATES = ['first update', ...Object.keys(CHANGES)]

const cpu = (update: string): string => `${update}: CPU`
const stall = (update: string): string => `${update}: longest stall`
const ownStall = (update: string): string => `${update}: longest stall of its own doing`

/** (b) What an update of a very large service costs, and for how long it stops everything else. */
export const largeService: Topic = {
  title: `${INSTANCES.toLocaleString('en')} instances`,
  figures: {
    ...each(cpu, { unit: 'ms' }),
    'JSON.parse of the same bytes': { unit: 'ms' },
    ...each(stall, { unit: 'ms' }),
    ...each(ownStall, { unit: 'ms', atMost: LONGEST_STALL_MS }),
  },
  async measure(surroundings) {
    // Watching the event loop takes all the CPU there is: what an update costs is measured in another process.
    return { ...(await measureCost(surroundings)), ...(await measureStalls(surroundings)) }
  },
}

async function measureCost(surroundings: Surroundings): Promise<Readonly<Record<string, number>>> {
  await using rig = await start(surroundings)
  const { cpuMs, makingCpuMs } = await rig.subject.open([SERVICE])
  const figures: Record<string, number> = { [cpu('first update')]: makingCpuMs + cpuMs }
  const times = surroundings.quick ? 4 : 8
  for (const [name, change] of Object.entries(CHANGES)) {
    const usage = await rig.subject.during(() => rig.changeInTurn(SERVICE, change, times))
    figures[cpu(name)] = usage.cpuMs / times
  }
  figures['JSON.parse of the same bytes'] = await rig.subject.parse(SERVICE, times)
  return figures
}

async function measureStalls(surroundings: Surroundings): Promise<Readonly<Record<string, number>>> {
  await using rig = await start(surroundings)
  const figures: Record<string, number> = {}
  const note = (name: string, { stallMs = Number.NaN, ownStallMs = Number.NaN }): void => {
    figures[stall(name)] = stallMs
    figures[ownStall(name)] = ownStallMs
  }
  note('first update', await rig.subject.open([SERVICE], true))
  for (const [name, change] of Object.entries(CHANGES)) {
    const times = surroundings.quick ? 4 : 8
    note(name, await rig.subject.during(() => rig.changeInTurn(SERVICE, change, times), true))
  }
  return figures
}

async function start(surroundings: Surroundings): Promise<Rig> {
  const rig = await Rig.start(surroundings, { services: [{ name: SERVICE, instances: INSTANCES }] })
  await rig.subject.ready()
  return rig
}

function each(name: (update: string) => string, meaning: Meaning): Readonly<Record<string, Meaning>> {
  return Object.fromEntries(UPDATES.map((update) => [name(update), meaning]))
}

const MIXED: Change = { kind: 'weights', count: INSTANCES / 2 }
const BALANCERS = Object.keys(balancers)
// Their tables are measured against their goal at 1,000 endpoints.
const TABLES = new Set(['ring_hash', 'maglev', 'rendezvous'])
const NO_GOAL: Meaning = { unit: 'ms' }
const GOAL: Meaning = { unit: 'ms', atMost: 20 }

/** (b) What of it is the making of a picker. */
export const pickersOfLargeService: Topic = {
  title: `A new picker for ${INSTANCES.toLocaleString('en')} endpoints of two weights`,
  figures: Object.fromEntries(BALANCERS.map((name) => [name, TABLES.has(name) ? NO_GOAL : GOAL])),
  async measure(surroundings) {
    await using rig = await start(surroundings)
    await rig.subject.open([SERVICE])
    await rig.changeInTurn(SERVICE, MIXED, 1)
    return await rig.subject.build(surroundings.quick ? 5 : 20)
  },
}
