import { readFile } from 'node:fs/promises'
import { asError, reasonOf } from '../errors.js'

/** Who we are to the agent. */
export interface CredentialOptions {
  /** ACL token. */
  readonly token: string | undefined
  /** A file that holds the token; read at first use, and again when the agent refuses what it held. */
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

  /** @throws Error when the token file cannot be read. */
  async headers(): Promise<Record<string, string>> {
    const { token, tokenFile, bearer, basicAuth } = this.#options
    if (tokenFile !== undefined) this.#ofFile ??= await readToken(tokenFile)
    // As in Consul's own client, where a file goes before a token.
    const secret = this.#ofFile ?? token
    return {
      ...(basicAuth === undefined
        ? {}
        : { authorization: `Basic ${Buffer.from(basicAuth).toString('base64')}` }),
      ...(secret === undefined
        ? {}
        : bearer
          ? { authorization: `Bearer ${secret}` }
          : { 'x-consul-token': secret }),
    }
  }

  /** After a refusal: has the file another token by now? */
  async renewed(): Promise<boolean> {
    const { tokenFile } = this.#options
    if (tokenFile === undefined) return false
    const before = this.#ofFile
    try {
      this.#ofFile = await readToken(tokenFile)
    } catch {
      // It is just being replaced, or gone: what we have is refused, and so it stays.
      return false
    }
    return this.#ofFile !== before
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
