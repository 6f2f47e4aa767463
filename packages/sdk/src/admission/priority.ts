import { headerValues, type RequestFields } from '../hashing/request-fields.js'

/** The least important; 0 is the most important. The urgencies of RFC 9218, 4.1. */
export const LEAST_IMPORTANT = 7

/** RFC 9218, 4.1: of what says nothing. */
const DEFAULT_PRIORITY = 3

/** What says how important a request is. */
export interface Prioritized {
  readonly options: { readonly priority?: number | undefined }
  readonly headers: RequestFields['headers']
}

/**
 * How important a request is: as its options say, else as its header says, else 3.
 *
 * @param header In lower case; undefined: none is read.
 */
export function priorityOf(request: Prioritized, header: string | undefined): number {
  const { priority } = request.options
  if (priority !== undefined) return priority
  if (header === undefined) return DEFAULT_PRIORITY
  const values = headerValues(request.headers, header)
  const text = typeof values === 'string' ? values : values?.[0]
  return (text === undefined ? undefined : parsePriority(text)) ?? DEFAULT_PRIORITY
}

// An urgency alone, or as a member of a dictionary, where that of RFC 9218 has it: `u=1, i`.
const URGENCY = /^\s*(?:(?:[^,]*,)*\s*u=)?([0-7])\s*(?:[;,]|$)/

/** Undefined: it says nothing of it. */
function parsePriority(text: string): number | undefined {
  const [, digit] = URGENCY.exec(text) ?? []
  return digit === undefined ? undefined : Number(digit)
}
