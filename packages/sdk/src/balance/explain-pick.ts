import { eligible, type Candidate, type PickContext, type Picker, type PickReport } from './picker.js'

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

/** The same picker; before it explains a pick it says this. */
export function withRemark<E extends Candidate>(picker: Picker<E>, remark: string): Picker<E> {
  return {
    pick: (context) => picker.pick(context),
    explain: (context, report) => {
      report.step(remark)
      return explainPick(picker, context, report)
    },
    close: () => picker.close?.(),
    // Where there is nothing to refresh, nobody need keep time.
    ...(picker.refresh !== undefined && { refresh: (now: number) => picker.refresh?.(now) }),
  }
}

/** Reports that a policy meant this endpoint, where it cannot be taken; says whether it can. */
export function isTaken<E extends Candidate>(
  endpoint: E | undefined,
  context: PickContext<E>,
  report: PickReport<E>,
): boolean {
  if (endpoint === undefined) return false
  if (eligible(endpoint, context)) return true
  report.passedOver(endpoint, endpoint.available ? 'this request has tried it' : 'its circuit is open')
  return false
}

/** For policies that go by key: where it leads, and whether that is where it stays. `owner`: of a request with a key. */
export function explainKey<E extends Candidate>(
  owner: E | undefined,
  context: PickContext<E>,
  report: PickReport<E>,
): void {
  if (context.hash === undefined) report.step('without a key: any endpoint, by weight')
  else if (isTaken(owner, context, report)) report.step('where its key leads')
  else report.step('where its key leads next, always in the same order')
}
