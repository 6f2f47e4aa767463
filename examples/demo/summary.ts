import Table from 'cli-table3'
import type { Claim } from './shares.js'
import type { Outcome } from './story.js'
import { NO_BORDERS } from './table-style.js'
import { answered, difference, type Tally, type Traffic } from './traffic.js'

/** A chapter as it went. */
export interface Entry {
  readonly title: string
  readonly outcome: Outcome
  /** Of each client, in their order. */
  readonly tallies: readonly Tally[]
}

// Number, then for each client its three columns.
const FIGURES = [10, 8, 9]
const TEXT = { least: 22, most: 50 }

/** What happened, a row for each chapter, in a width of `columns`. */
export function asTable(entries: readonly Entry[], clients: readonly Traffic[], columns: number): string {
  const figures = clients.flatMap(() => FIGURES)
  const rest = columns - figures.reduce((sum, width) => sum + width, 3)
  const table = new Table({
    head: [
      '',
      '\nwhat happened',
      ...clients.flatMap(({ short }) => [`${short}\nrequests`, '\nfailed', '\nnoticed']),
    ],
    colWidths: [3, Math.min(Math.max(rest, TEXT.least), TEXT.most), ...figures],
    colAligns: ['right', 'left', ...figures.map(() => 'right' as const)],
    chars: NO_BORDERS,
    style: { head: [], border: [], compact: true },
    wordWrap: true,
  })
  entries.forEach(({ title, outcome, tallies }, index) => {
    const cells = tallies.flatMap((tally, client) => {
      const noticedMs = outcome.noticedMs?.[client]
      return [count(sent(tally)), count(tally.failed), noticedMs === undefined ? '-' : seconds(noticedMs)]
    })
    table.push([String(index + 1), `${title}: ${outcome.what}`, ...cells])
  })
  return `${table.toString()}\n   noticed: from the event until the client acted on it\n`
}

/** The claims of the demo, and whether they hold: first of all that no request failed. */
export function claimsOf(entries: readonly Entry[], clients: readonly Traffic[]): readonly Claim[] {
  const unfailed = clients.map((client): Claim => {
    const tally = client.tally()
    const text = `${client.name}: ${count(tally.failed)} of ${count(sent(tally))} requests failed`
    const reason = client.lastError()
    return {
      holds: tally.failed === 0,
      text: reason === undefined ? text : `${text}; the last one: ${reason}`,
    }
  })
  return [...entries.flatMap(({ outcome }) => outcome.claims ?? []), ...unfailed]
}

export function since(before: readonly Tally[], clients: readonly Traffic[]): readonly Tally[] {
  return clients.map((client, index) => {
    const now = client.tally()
    return difference(now, before[index] ?? now)
  })
}

function sent(tally: Tally): number {
  return answered(tally) + tally.failed
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(2)} s`
}

function count(figure: number): string {
  return Math.round(figure).toLocaleString('en')
}
