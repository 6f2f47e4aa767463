import type { PickReport } from './pick-report.js'
import type { Candidate, PickContext, Picker } from './picker.js'

/** Picks, and reports how as far as the picker tells. */
export function explainPick<E extends Candidate>(
  picker: Picker<E>,
  context: PickContext<E>,
  report: PickReport<E>,
): E | undefined {
  if (picker.explain !== undefined) return picker.explain(context, report)
  report.step('the balancer says no more than what it picks')
  return picker.pick(context)
}
