import { FairleadError, type Client, type ClientInspection } from '@fairlead/sdk'
import type { Instance } from '#sidecar/testing/rig.test.support.js'

/** An HTTP library, and how it comes to send its requests through Fairlead. */
export interface Library {
  /** As the first column of docs/http-libraries.md has it. */
  readonly name: string
  /** An abort is not handed on: the instance is rid of the request when `timeoutMs` is over. */
  readonly keepsAborts?: true
  hook(stage: Stage): Hooked | Promise<Hooked>
}

/** What a library may be hooked to. */
export interface Stage {
  /** Instances of `orders`: servers as `orders-server.ts` makes them, and ports that nothing listens on. */
  readonly instances: readonly Instance[]
  readonly timeoutMs: number
  readonly orders: Client
}

/** A program that uses the library. Both calls resolve to the text that the instance sent back. */
export interface Hooked {
  readonly get: (text: string, signal?: AbortSignal) => Promise<string>
  /** As the body of a POST. */
  readonly post: (text: string, signal?: AbortSignal) => Promise<string>
  /** The status of the answer, in what the library throws for one. */
  statusOf(error: unknown): unknown
  /** Fairlead's code, in what the library throws. */
  codeOf(error: unknown): unknown
  inspect(): ClientInspection | Promise<ClientInspection>
}

/** Where the libraries that hand on the error of `fetch` have it: somewhere among the causes. */
export function codeAmongCauses(error: unknown): unknown {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof FairleadError) return at.code
  }
  return undefined
}
