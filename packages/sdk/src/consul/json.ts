/** What was parsed, read without trust: whatever is not as expected reads as empty. */
export type Json = Readonly<Record<string, unknown>>

export function asJson(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {}
}

export function field(value: unknown, name: string): Json {
  return asJson(asJson(value)[name])
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : []
}

/** A value for a message to people. */
export function describe(value: unknown): string {
  return value === undefined ? 'nothing' : JSON.stringify(value).slice(0, 60)
}
