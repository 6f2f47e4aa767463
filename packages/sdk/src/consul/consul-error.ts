/** The agent did not give an answer that can be used. The message names the agent. */
export class ConsulError extends Error {
  override readonly name: string = 'ConsulError'
  /** The status it answered with; undefined: it did not answer. */
  readonly statusCode: number | undefined
  /** How long the agent asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number

  constructor(
    message: string,
    details: { readonly cause?: unknown; readonly statusCode?: number; readonly retryAfterMs?: number } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.statusCode = details.statusCode
    this.retryAfterMs = details.retryAfterMs ?? 0
  }
}
