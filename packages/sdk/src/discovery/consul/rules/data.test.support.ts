import { healthEntry, refuse, type FakeConsulStep } from '../../../testing/index.js'

export const one: readonly object[] = [healthEntry(1)]
export const two: readonly object[] = [healthEntry(1), healthEntry(2)]

/** The same step, so many times. */
export function times(count: number, step: FakeConsulStep): readonly FakeConsulStep[] {
  return Array.from({ length: count }, () => step)
}

/** Answers with this text, whatever it is. */
export function say(text: string, headers: Readonly<Record<string, string>> = {}): FakeConsulStep {
  return refuse(200, text, headers)
}
