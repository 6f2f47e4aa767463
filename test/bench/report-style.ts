/** Of a table: colours would end up as codes in whatever this is pasted into. */
export const PLAIN: { head: string[]; border: string[]; compact: boolean } = {
  head: [],
  border: [],
  compact: true,
}

/** Three digits or so: more are noise. */
export function shown(value: number): string {
  if (value >= 1000) return Math.round(value).toLocaleString('en')
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2)
}
