import { eligible, type Candidate, type PickContext, type Picker, type PickReport } from './picker.js'

/** Picks, and reports how, as far as the picker supports it. */
export function explainPick<E extends Candidate>(
  picker: Picker<E>,
  context: PickContext<E>,
  report: PickReport<E>,
): E | undefined {
  if (picker.explain !== undefined) return picker.explain(context, report)
  report.step('the balancer does not explain its picks')
  return picker.pick(context)
}

/** The same picker, which reports this remark before it explains a pick. */
export function withRemark<E extends Candidate>(picker: Picker<E>, remark: string): Picker<E> {
  return {
    pick: (context) => picker.pick(context),
    explain: (context, report) => {
      report.step(remark)
      return explainPick(picker, context, report)
    },
    close: () => picker.close?.(),
    // Without a `refresh`, the client needs no timer for it.
    ...(picker.refresh !== undefined && { refresh: (now: number) => picker.refresh?.(now) }),
  }
}

/** Is the policy's first choice eligible? Reports it as skipped where it is not. */
export function isTaken<E extends Candidate>(
  endpoint: E | undefined,
  context: PickContext<E>,
  report: PickReport<E>,
): boolean {
  if (endpoint === undefined) return false
  if (eligible(endpoint, context)) return true
  report.skipped(endpoint, endpoint.available ? 'this request has tried it' : 'it is unavailable')
  return false
}

/** For policies by key: the owner of the key, and whether it is used. `owner`: of a request with a key. */
export function explainKey<E extends Candidate>(
  owner: E | undefined,
  context: PickContext<E>,
  report: PickReport<E>,
): void {
  if (context.hash === undefined) report.step('without a key: any endpoint, by weight')
  else if (isTaken(owner, context, report)) report.step('the owner of its key')
  else report.step('the next after the owner of its key, always in the same order')
}
