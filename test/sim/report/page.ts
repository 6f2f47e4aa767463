import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { format, resolveConfig } from 'prettier'
import { chartOf } from './chart.js'
import { preface } from './preface.js'
import { isRamp, type Result } from './result.js'
import { rowsOf, type Rows } from './table.js'

const PAGE = 'simulation.md'
const CHARTS = 'simulation'

/** Writes `simulation.md`, and its charts into a folder beside it. */
export async function writePage(folder: string, results: readonly Result[], size: number): Promise<void> {
  const file = join(folder, PAGE)
  await mkdir(join(folder, CHARTS), { recursive: true })
  for (const result of results) {
    await writeFile(join(folder, CHARTS, `${result.scenario.name}.svg`), chartOf(result))
  }
  const text = [preface(size), ...results.map(section)].join('\n\n')
  await writeFile(file, await format(text, { ...(await resolveConfig(file)), filepath: file }))
}

function section(result: Result): string {
  const { name, title, about } = result.scenario
  const alt = isRamp(result)
    ? `p99 and errors against load: ${title}`
    : `Latency percentiles of each policy: ${title}`
  return `## ${title}\n\n${about}\n\n${markdownTable(rowsOf(result))}\n\n![${alt}](${CHARTS}/${name}.svg)`
}

function markdownTable([head = [], ...rows]: Rows): string {
  // Numbers stand under each other.
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'))
  return [head, rule, ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
