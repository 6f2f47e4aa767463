import type { BackendLoad } from '../orca/backend-load.js'
import { withCallback, withoutCallback, type Callback } from '../collections/callbacks.js'
import type { Panic, Prioritized } from '../balance/priorities/priorities.js'
import type { Instance } from '../discovery/resolver.js'
import { instanceAt } from './fake-resolver.js'

/** An endpoint as a balancer sees it, with its load in the hands of a test or a simulation. */
export class FakeCandidate implements Prioritized {
  /** At `http://10.0.0.1:<name>`, with the weight, priority and zone that the test gave. */
  readonly instance: Instance
  #loadChanged: Callback | undefined
  /** Do its judges keep requests from it, such as an open circuit? */
  blocked = false
  /** Is it proven that it cannot answer, so that a panic sends nothing there? */
  excludedInPanic = false
  panic: Panic = 'none'
  retained = false
  usableSince = 0
  /** What `latencyUs` says, in milliseconds. Default 1. */
  latencyMs = 1
  backendLoad: BackendLoad | undefined
  /** The paths that it was to be asked at. */
  readonly probed: string[] = []
  #inflight = 0

  constructor(name: number, weight = 1, priority = 0, zone?: string) {
    this.instance = instanceAt(`http://10.0.0.1:${name}`, { weight, priority, locality: { zone } })
  }

  get available(): boolean {
    return !this.blocked || this.panic === 'all'
  }

  set available(available: boolean) {
    this.blocked = !available
  }

  get inflight(): number {
    return this.#inflight
  }

  latencyUs(): number {
    return Math.round(this.latencyMs * 1000)
  }

  onLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withCallback(this.#loadChanged, loadChanged)
  }

  offLoadChange(loadChanged: Callback): void {
    this.#loadChanged = withoutCallback(this.#loadChanged, loadChanged)
  }

  /** Is its load observed? */
  get observed(): boolean {
    return this.#loadChanged !== undefined
  }

  probe(path: string): void {
    this.probed.push(path)
  }

  /** One more request is in flight; its observers are called. */
  begin(): void {
    this.#inflight++
    this.#loadChanged?.()
  }

  /** One fewer request is in flight; its observers are called. */
  end(): void {
    this.#inflight--
    this.#loadChanged?.()
  }
}

/** One candidate for each weight. */
export function candidates(weights: readonly number[]): FakeCandidate[] {
  return weights.map((weight, index) => new FakeCandidate(1 + index, weight))
}
