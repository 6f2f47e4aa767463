import type { Clock } from '../clock.js'
import type { SubchannelCall } from './types.js'

/** An attempt on the wire, which knows when the endpoint got the last of what it answers. */
export class SentCall implements SubchannelCall {
  /** The clock's milliseconds. */
  sentAt: number
  readonly #call: SubchannelCall
  readonly #clock: Clock

  constructor(call: SubchannelCall, clock: Clock) {
    this.#call = call
    this.#clock = clock
    this.sentAt = clock.now()
  }

  sendMessageWithContext(...message: Parameters<SubchannelCall['sendMessageWithContext']>): void {
    this.sentAt = this.#clock.now()
    this.#call.sendMessageWithContext(...message)
  }

  halfClose(): void {
    this.sentAt = this.#clock.now()
    this.#call.halfClose()
  }

  startRead(): void {
    this.#call.startRead()
  }

  cancelWithStatus(...status: Parameters<SubchannelCall['cancelWithStatus']>): void {
    this.#call.cancelWithStatus(...status)
  }

  getPeer(): string {
    return this.#call.getPeer()
  }

  getCallNumber(): number {
    return this.#call.getCallNumber()
  }

  getDeadlineInfo(): string[] {
    return this.#call.getDeadlineInfo()
  }

  getAuthContext(): ReturnType<SubchannelCall['getAuthContext']> {
    return this.#call.getAuthContext()
  }
}
