import type { Dispatcher } from 'undici'
import type { FetchPolicy } from './fetch-init.js'
import type { OutgoingStream } from './outgoing-stream.js'
import type { Target } from './target.js'

/** A body as it can be sent. What is not a stream can be sent again, after a failure or a redirect. */
export type OutgoingBody = string | Uint8Array | Blob | FormData | OutgoingStream | null

export type RedirectMode = 'follow' | 'manual' | 'error'

/** One request as fetch understands it, ready to be sent. */
export interface FetchRequest {
  readonly target: Target
  readonly method: string
  /** Names and values in turn. */
  readonly headers: readonly string[]
  readonly body: OutgoingBody
  readonly redirect: RedirectMode
  readonly signal: AbortSignal | undefined
  /** Of its response: `cors` once a redirect has led to another origin, that is to another name of the service. */
  readonly type: 'basic' | 'cors'
  /** How many redirects have led here. */
  readonly redirects: number
  /** Undefined: the client's own. */
  readonly dispatcher: Pick<Dispatcher, 'dispatch'> | undefined
  readonly policy: FetchPolicy
}
