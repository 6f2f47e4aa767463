import { readFile } from 'node:fs/promises'
import { asError, reasonOf } from '../errors.js'

/** Who we are to the agent. */
export interface CredentialOptions {
  /** ACL token. */
  readonly token: string | undefined
  /** A file that holds the token; read at first use, and again when the agent rejects what it held. */
  readonly tokenFile: string | undefined
  /** Send the token as `Authorization: Bearer` instead of `X-Consul-Token`. */
  readonly bearer: boolean
  /** `user:password` for a proxy in front of the agent, by HTTP Basic. */
  readonly basicAuth: string | undefined
}

/** Turns credentials into headers: a token never stands in a URL, where logs would keep it. */
export class Credentials {
  readonly #options: CredentialOptions
  #ofFile: string | undefined

  constructor(options: CredentialOptions) {
    this.#options = options
  }

  /** The token that counts now. @throws Error when its file cannot be read, and never could. */
  async token(): Promise<string | undefined> {
    const { token, tokenFile } = this.#options
    // As in Consul's own client, where a file goes before a token.
    if (tokenFile !== undefined) this.#ofFile ??= await readToken(tokenFile)
    return this.#ofFile ?? token
  }

  headers(token: string | undefined): Record<string, string> {
    const { bearer, basicAuth } = this.#options
    return {
      ...(basicAuth === undefined
        ? {}
        : { authorization: `Basic ${Buffer.from(basicAuth).toString('base64')}` }),
      ...(token === undefined
        ? {}
        : bearer
          ? { authorization: `Bearer ${token}` }
          : { 'x-consul-token': token }),
    }
  }

  /** After the agent has rejected a token: another one that its file holds by now, where there is one. */
  async renewed(rejected: string | undefined): Promise<string | undefined> {
    const { tokenFile } = this.#options
    if (tokenFile === undefined) return undefined
    try {
      // Of several queries that were rejected at once, the first has read it already.
      if (this.#ofFile === rejected) this.#ofFile = await readToken(tokenFile)
    } catch {
      // It is just being replaced, or gone: what we have is rejected, and stays so.
    }
    return this.#ofFile === rejected ? undefined : this.#ofFile
  }
}

async function readToken(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`consul.tokenFile ${path} cannot be read: ${reasonOf(asError(error))}`, { cause: error })
  }
  const token = text.trim()
  if (token === '' || /[^\x21-\x7e]/.test(token))
    throw new Error(`consul.tokenFile ${path} must hold one token and nothing else`)
  return token
}
