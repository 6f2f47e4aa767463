import type { Dispatcher } from 'undici'
import { inBackground, systemClock, type Clock } from '../clock.js'
import type { BackendLoad } from '../orca/backend-load.js'
import type { Permit } from '../resilience/breaker.js'
import type { Outcome } from '../resilience/outcome.js'
import { LoopWatch } from '../runtime/loop-watch.js'
import type { ReleaseReason, Transport, TransportRequest } from '../transport/transport.js'
import { Classifier } from './classify.js'
import type { AttemptedEndpoint, AttemptListener } from './http-attempt.js'
import { PeakEwma } from './peak-ewma.js'

/** The part of an endpoint towards its attempts, and all that it hears. */
export class HeardEndpoint extends PeakEwma implements AttemptedEndpoint {
  readonly address: string = '10.0.0.1:80'
  readonly loop: LoopWatch
  readonly classifier: Classifier
  backendLoad: BackendLoad | undefined
  inflight = 0
  readonly outcomes: [Permit, Outcome][] = []
  readonly unreached: Error[] = []
  readonly observersFailed: Error[] = []

  constructor(clock: Clock = inBackground(systemClock), classifier: Classifier = new Classifier()) {
    super(30, 0)
    this.loop = new LoopWatch(clock)
    this.classifier = classifier
  }

  begin(): void {
    this.inflight++
  }

  end(): void {
    this.inflight--
  }

  record(permit: Permit, outcome: Outcome): void {
    this.outcomes.push([permit, outcome])
  }

  unreachable(error: Error): void {
    this.unreached.push(error)
  }

  observerFailed(error: Error): void {
    this.observersFailed.push(error)
  }
}

/** A transport that sends nothing: the test makes the callbacks. */
export class HeldTransport implements Transport {
  readonly connections = 0
  readonly sent: TransportRequest[] = []
  readonly released: ReleaseReason[] = []
  readonly preconnected: number[] = []

  send(request: TransportRequest): void {
    this.sent.push(request)
  }

  preconnect(count: number): void {
    this.preconnected.push(count)
  }

  resend(): boolean {
    return false
  }

  release(_request: TransportRequest, reason: ReleaseReason): void {
    this.released.push(reason)
  }

  async close(): Promise<void> {}

  async destroy(): Promise<void> {}
}

/** What a call would hear of its attempts, in words. */
export class HeardAttempts implements AttemptListener<never> {
  readonly context = undefined
  readonly heard: string[] = []
  onHeaders: ((headers: Buffer[]) => void) | undefined

  onHead(_attempt: unknown, statusCode: number, headers: Buffer[]): boolean {
    this.heard.push(`head ${statusCode}`)
    this.onHeaders?.(headers)
    return true
  }

  outgoing({ options }: { readonly options: Dispatcher.DispatchOptions }): Dispatcher.DispatchOptions {
    return options
  }

  onStalled(): void {
    this.heard.push('stalled')
  }

  onData(): boolean {
    this.heard.push('data')
    return true
  }

  onComplete(): void {
    this.heard.push('complete')
  }

  onUpgrade(): void {
    this.heard.push('upgrade')
  }

  onFailure(_attempt: unknown, error: Error): void {
    this.heard.push(`error ${error.message}`)
  }

  onEnd(): void {}

  onBodySent(): void {}

  onRequestSent(): void {}

  onResponseStarted(): void {}
}
