import type { Machine } from '../bench/machine.js'
import type { Fault } from './catalogue.js'
import { figuresOf, type Figures } from './figures.js'
import { judge, type Verdicts } from './goals.js'
import type { Plan } from './plan.js'
import type { Recording } from './recording.js'
import type { SubjectName } from './subject.js'

/** Errors and statuses of requests that were lost or cut, and how many of each, the most first. */
type Reasons = readonly (readonly [reason: string, times: number])[]

/** One fault on one subject. */
export interface Row extends Pick<Fault, 'name' | 'about' | 'on'> {
  readonly subject: SubjectName
  readonly result:
    | {
        readonly kind: 'measured'
        readonly figures: Figures
        readonly verdicts: Verdicts
        readonly reasons: Reasons
      }
    | { readonly kind: 'not measured'; readonly why: string }
}

/** All of it, as `--json` writes it. */
export interface Results {
  readonly startedAt: string
  readonly seconds: number
  readonly quick: boolean
  readonly machine: Machine
  readonly ratePerSecond: number
  readonly instances: number
  readonly plan: Plan
  readonly rows: readonly Row[]
}

export function measured(subject: SubjectName, fault: Fault, recording: Recording): Row {
  const figures = figuresOf(recording)
  const verdicts = judge(fault, figures)
  return {
    ...titleOf(subject, fault),
    result: { kind: 'measured', figures, verdicts, reasons: reasonsIn(recording) },
  }
}

export function notMeasured(subject: SubjectName, fault: Fault, why: string): Row {
  return { ...titleOf(subject, fault), result: { kind: 'not measured', why } }
}

function titleOf(subject: SubjectName, { name, about, on }: Fault): Omit<Row, 'result'> {
  return { subject, name, about, on }
}

function reasonsIn({ load: { reasons, endings } }: Recording): Reasons {
  const times = new Map<string, number>()
  const all = [...Object.values(reasons), ...endings.filter((ending) => ending === 'pending')]
  for (const reason of all) times.set(reason, (times.get(reason) ?? 0) + 1)
  return [...times].sort(([, a], [, b]) => b - a)
}
