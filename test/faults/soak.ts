import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Children } from '../bench/children.js'
import type { Means } from './catalogue.js'
import { startFleet, type FleetInstance } from './fleet.js'
import { INSTANCES } from './plan.js'
import type { SoakArgument, SoakEnd, SoakReport } from './subjects/soak-program.js'

const usage = `Usage: npm run soak -- [--requests N]

  --requests N  how many, 10,000,000 by default; --requests 200000 shows that it works
Memory after full collections, by the request, while one instance of four has a fault at any time.`

/** In turn, and each on the next instance. */
const FAULTS: readonly Means[] = [
  { by: 'behaviour', behaviour: 'one-in-three-503' },
  { by: 'behaviour', behaviour: 'reset-before-head' },
  { by: 'stop' },
  { by: 'behaviour', behaviour: 'short-body' },
  { by: 'behaviour', behaviour: 'retry-after' },
  { by: 'kill' },
  { by: 'behaviour', behaviour: 'garbage' },
  { by: 'behaviour', behaviour: 'hang' },
  { by: 'behaviour', behaviour: 'close-silently' },
  { by: 'behaviour', behaviour: 'slow-body' },
]
const FAULT_MS = 3000
const PAUSE_MS = 2000
const PARTS = 40

/** One fault after another until it is told to stop. */
async function disturb(fleet: readonly FleetInstance[], signal: AbortSignal): Promise<void> {
  for (let n = 0; !signal.aborted; n++) {
    const instance = fleet[n % fleet.length]
    const means = FAULTS[n % FAULTS.length]
    if (instance === undefined || means === undefined) return
    const heal = await instance.begin(means)
    await delay(FAULT_MS)
    await heal()
    await delay(PAUSE_MS)
  }
}

async function soak(requests: number): Promise<void> {
  await using children = new Children(join(import.meta.dirname, 'subjects'))
  const fleet = await startFleet(children, INSTANCES)
  const told: SoakArgument = { origins: fleet.map(({ origin }) => origin) }
  const subject = children.worker('soak-program.js', told, { cores: undefined, nodeFlags: ['--expose-gc'] })
  const stop = new AbortController()
  const disturbed = disturb(fleet, stop.signal)
  const reports: SoakReport[] = []
  console.log('requests     heap, MB   outside, MB   resident, MB   failed')
  for (let part = 1; part <= PARTS; part++) {
    const report = await subject.ask<SoakReport>({ requests: Math.ceil(requests / PARTS) })
    reports.push(report)
    const { heapBytes, outsideBytes, residentBytes, failed } = report
    const columns = [heapBytes, outsideBytes, residentBytes].map((bytes) =>
      (bytes / 1e6).toFixed(1).padStart(12),
    )
    console.log(`${String(part * Math.ceil(requests / PARTS)).padEnd(10)} ${columns.join(' ')} ${failed}`)
  }
  stop.abort()
  await disturbed
  const { resources } = await subject.ask<SoakEnd>('end')
  console.log(`heap, last quarter to second: ${growth(reports).toFixed(3)}`)
  console.log(`left after close(): ${resources.join(', ')} (the channel to this process is a PipeWrap)`)
}

/** The first quarter fills caches and compiles. */
function growth(reports: readonly SoakReport[]): number {
  const quarter = reports.length / 4
  const mean = (from: number): number =>
    reports.slice(from, from + quarter).reduce((sum, { heapBytes }) => sum + heapBytes, 0) / quarter
  return mean(3 * quarter) / mean(quarter)
}

try {
  const { values } = parseArgs({
    options: { requests: { type: 'string', default: '10000000' }, help: { type: 'boolean' } },
  })
  if (values.help === true) console.log(usage)
  else if (!/^[1-9]\d*$/.test(values.requests))
    throw new Error(`--requests ${values.requests}: it must be a whole number, 1 or more`)
  else await soak(Number(values.requests))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
