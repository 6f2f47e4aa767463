import { Pool, type Dispatcher } from 'undici'
import { asError, reasonOf } from '../errors.js'

export interface ConsulAgentOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly address: string
  /** ACL token; sent as `X-Consul-Token`, never in a URL. */
  readonly token: string | undefined
}

export interface ConsulAnswer {
  /** `X-Consul-Index`; undefined where the agent sent none. */
  readonly index: number | undefined
  /** Parsed JSON. */
  readonly body: unknown
}

/** The agent did not give an answer that can be used. The message names the agent. */
export class ConsulError extends Error {
  override readonly name: string = 'ConsulError'
  /** How long the agent asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number

  constructor(message: string, options?: { readonly cause?: unknown; readonly retryAfterMs?: number }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.retryAfterMs = options?.retryAfterMs ?? 0
  }
}

// 10,000 instances with long check outputs come to about 20 MB; more than this is no catalogue.
const LARGEST_BODY_BYTES = 64 * 1024 * 1024

// Between two chunks of a body that the agent has begun to send.
const BODY_TIMEOUT_MS = 10_000

/** Speaks HTTP to one Consul agent: GET, JSON, bounded in time and size. */
export class ConsulAgent {
  readonly name: string
  readonly #pool: Pool
  readonly #headers: Record<string, string>

  constructor(options: ConsulAgentOptions) {
    this.name = `Consul at ${options.address}`
    this.#pool = new Pool(options.address, { connect: { timeout: 5000 } })
    this.#headers = {
      accept: 'application/json',
      ...(options.token === undefined ? {} : { 'x-consul-token': options.token }),
    }
  }

  /**
   * @param timeoutMs Until the head of the answer.
   * @throws ConsulError for every way in which this can fail.
   */
  async get(path: string, timeoutMs: number, signal: AbortSignal): Promise<ConsulAnswer> {
    const response = await this.#pool
      .request({
        method: 'GET',
        path,
        headers: this.#headers,
        headersTimeout: timeoutMs,
        bodyTimeout: BODY_TIMEOUT_MS,
        signal,
      })
      .catch((thrown: unknown) => {
        throw new ConsulError(`${this.name} could not be reached: ${reasonOf(asError(thrown))}`, {
          cause: thrown,
        })
      })
    const text = await this.#read(response)
    if (response.statusCode !== 200) {
      const said = text.trim().slice(0, 200)
      throw new ConsulError(
        `${this.name} answered ${response.statusCode}${said === '' ? '' : ` (${said})`}${adviceFor(response.statusCode)}`,
        { retryAfterMs: secondsHeader(response.headers['retry-after']) * 1000 },
      )
    }
    try {
      const body: unknown = JSON.parse(text)
      return { index: indexOf(response.headers['x-consul-index']), body }
    } catch (error) {
      throw new ConsulError(
        `${this.name} answered ${path} with something that is no JSON (${text.slice(0, 60)}): is this address a Consul agent's?`,
        { cause: error },
      )
    }
  }

  async #read({ body }: Dispatcher.ResponseData): Promise<string> {
    const chunks: Buffer[] = []
    let size = 0
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length
        // Leaving the loop destroys the body, and with it the connection.
        if (size > LARGEST_BODY_BYTES)
          throw new Error(`the answer is longer than ${LARGEST_BODY_BYTES} bytes`)
        chunks.push(chunk)
      }
    } catch (error) {
      throw new ConsulError(`${this.name} broke off its answer: ${reasonOf(asError(error))}`, {
        cause: error,
      })
    }
    return Buffer.concat(chunks).toString('utf8')
  }
}

function adviceFor(status: number): string {
  switch (status) {
    case 403:
      return ': the token (option consul.token, or CONSUL_HTTP_TOKEN) needs service:read and node:read'
    case 429:
      return ': too many connections from this address; see limits.http_max_conns_per_client of the agent'
    case 500:
      return ': the agent is up, but has no leader to ask'
    default:
      return ''
  }
}

function secondsHeader(value: string | string[] | undefined): number {
  const seconds = Number(value)
  return Number.isFinite(seconds) && seconds > 0 ? seconds : 0
}

function indexOf(value: string | string[] | undefined): number | undefined {
  const index = Number(value)
  return value !== undefined && Number.isInteger(index) && index >= 0 ? index : undefined
}
