// Up to two slips of the hand, or one where a name is too short to tell a slip from another name.
const MOST_EDITS = 2
const SHORT = 4

/**
 * The one of `names` that was most likely meant: the same but for case, separators (`peak-ewma`) and number (`retries`), the beginning of a
 * longer one (`timeout` for `timeoutMs`), or a few letters away. Undefined where none is near.
 */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const meant = plain(name)
  if (meant === '') return undefined
  const exact = names.find((candidate) => plain(candidate) === meant)
  if (exact !== undefined) return exact
  const singular = names.find((candidate) => singularOf(plain(candidate)) === singularOf(meant))
  if (singular !== undefined) return singular
  const most = meant.length <= SHORT ? 1 : MOST_EDITS
  const scored = names
    .map((candidate) => ({ candidate, edits: editDistance(meant, plain(candidate)) }))
    .filter(({ candidate, edits }) => edits <= most || isBeginning(meant, plain(candidate)))
    .sort((a, b) => a.edits - b.edits)
  return scored[0]?.candidate
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]/g, '')
}

/** One word for one thing and for several of it. Of a short name an `s` at the end is as likely a letter as a plural. */
function singularOf(name: string): string {
  return name.length <= SHORT ? name : name.replace(/ies$/, 'y').replace(/([^s])s$/, '$1')
}

/** Is one the beginning of the other, and long enough to say something? */
function isBeginning(a: string, b: string): boolean {
  return Math.min(a.length, b.length) >= SHORT && (a.startsWith(b) || b.startsWith(a))
}

/** Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours (Damerau, 1964). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const next = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let edits = Math.min(
        (last[column] ?? 0) + 1,
        (next[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      )
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        edits = Math.min(edits, (beforeLast[column - 2] ?? 0) + 1)
      next.push(edits)
    }
    beforeLast = last
    last = next
  }
  return last[b.length] ?? 0
}
