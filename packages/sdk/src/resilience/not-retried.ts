/** Why a failed request is not sent again: for programs, and as the end of a sentence. */
export interface NotRetried {
  readonly code:
    | 'retries_off'
    | 'response_too_large'
    | 'not_idempotent'
    | 'body_not_replayable'
    | 'attempts_exhausted'
    | 'retry_itself'
    | 'budget_exhausted'
  readonly text: string
}
