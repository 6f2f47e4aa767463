import type { Client, Dispatcher } from 'undici'
import { nextTurn, type Clock, type Timer } from '../clock.js'
import { asError, reasonOf } from '../errors.js'
import { adviceForFailure, adviceForStatus, type Method } from './advice.js'
import { answerHead, retryAfterMs, type AnswerHead } from './answer-head.js'
import { ConsulError } from './consul-error.js'
import { Credentials, type CredentialOptions } from './credentials.js'
import type { JsonListReader, Keyed, ListEntry } from './json-list.js'
import { TlsFiles, type TlsFileOptions } from './tls-files.js'
import { Transport } from './transport.js'

/** Which agent, and who we are to it. */
export interface AgentOptions extends CredentialOptions {
  /** `http://host:port`, `https://host:port` or `unix:///path`. */
  readonly address: string
  /** What stands before `/v1` in each path, such as `/consul` of a proxy; usually empty. */
  readonly pathPrefix: string
  readonly tls: TlsFileOptions
  /** Enterprise: what every question is about, unless it says otherwise. */
  readonly namespace: string | undefined
  readonly partition: string | undefined
}

/** One question. */
export interface AgentRequest {
  readonly method: Method
  /** Such as `/v1/health/service/orders`. */
  readonly path: string
  readonly query?: URLSearchParams
  /** Sent as JSON. */
  readonly body?: object
  /** Statuses beside 200 that are answers as well. Default: none. */
  readonly accept?: readonly number[]
  /** From asking to the head of the answer, in milliseconds; its body has {@link BODY_TIMEOUT_MS} more. */
  readonly timeoutMs: number
}

export interface Answer {
  readonly statusCode: number
  readonly head: AnswerHead
  readonly text: string
}

// 10,000 instances with long check outputs come to about 20 MB; more than this is not a catalogue.
const LARGEST_BODY_BYTES = 64 * 1024 * 1024

// Consul explains itself in a line.
const LARGEST_REJECTION = 4096

// For a body in all, so that an agent which trickles cannot hold a watch indefinitely: 64 MiB at 20 Mbit/s.
const BODY_TIMEOUT_MS = 30_000

// Node reads up to 2 MB from a socket before it looks at anything else, which to parse takes 25 ms. A chunk of 64 kB
// takes one, and 20 while the code that does it has not been compiled yet; no turn takes two of those.
const TURN_BYTES = 32 * 1024

/** Queries to one agent: bounded in time and size, with credentials that are renewed when they must be. */
export class ConsulAgent {
  readonly name: string
  readonly #options: AgentOptions
  readonly #credentials: Credentials
  readonly #transport: Transport
  readonly #clock: Clock

  constructor(options: AgentOptions, clock: Clock) {
    this.name = `Consul at ${options.address}${options.pathPrefix}`
    this.#options = options
    this.#credentials = new Credentials(options)
    this.#transport = new Transport(options.address, new TlsFiles(options.tls))
    this.#clock = clock
  }

  /** Has it a token to send? Without one, an agent may answer by a token of its own, or by no right at all. */
  get sendsToken(): boolean {
    return this.#options.token !== undefined || this.#options.tokenFile !== undefined
  }

  /**
   * Asks, and gives the answer as text.
   *
   * @throws ConsulError for every way in which this can fail, an answer other than 200 among them.
   */
  async ask(request: AgentRequest, signal: AbortSignal): Promise<Answer> {
    const chunks: Buffer[] = []
    const answered = await this.#exchange(request, (chunk) => chunks.push(chunk), signal)
    return { ...answered, text: Buffer.concat(chunks).toString('utf8') }
  }

  /**
   * Asks for a list, which is read while it arrives.
   *
   * @param listOf Who reads it, when the head of the answer is known.
   * @throws ConsulError for every way in which this can fail, also after some entries.
   */
  async askList<T extends Keyed>(
    request: AgentRequest,
    listOf: (head: AnswerHead) => JsonListReader<T>,
    signal: AbortSignal,
  ): Promise<{ readonly head: AnswerHead; readonly entries: readonly ListEntry<T>[] }> {
    let list: JsonListReader<T> | undefined
    try {
      const answered = await this.#exchange(
        request,
        (chunk, chunkHead) => {
          list ??= listOf(chunkHead)
          list.push(chunk)
        },
        signal,
      )
      list ??= listOf(answered.head)
      list.end()
      return { head: answered.head, entries: list.entries }
    } catch (error) {
      if (error instanceof ConsulError) throw error
      throw new ConsulError(
        `${this.name} answered ${request.path} with something else (${asError(error).message}); check that this is the address of a Consul agent`,
        { cause: error },
      )
    }
  }

  /** Once, and once more where the token has been replaced in its file meanwhile. */
  async #exchange(request: AgentRequest, onChunk: ChunkListener, signal: AbortSignal): Promise<Answered> {
    const token = await this.#credentials.token().catch((error: unknown) => this.#unreached(error))
    try {
      return await this.#attempt(request, token, onChunk, signal)
    } catch (error) {
      const rejected = error instanceof ConsulError && error.statusCode === 403
      const renewed = rejected ? await this.#credentials.renewed(token) : undefined
      if (renewed === undefined) throw error
      return await this.#attempt(request, renewed, onChunk, signal)
    }
  }

  async #attempt(
    request: AgentRequest,
    token: string | undefined,
    onChunk: ChunkListener,
    signal: AbortSignal,
  ): Promise<Answered> {
    const connection = await this.#transport.take().catch((error: unknown) => this.#unreached(error))
    const timed = new Deadline(this.#clock, signal)
    let whole = false
    try {
      timed.set(request.timeoutMs, `has not answered ${request.path} within ${request.timeoutMs} ms`)
      const response = await this.#send(connection, request, token, timed.signal)
      timed.set(BODY_TIMEOUT_MS, `has not ended its answer within ${BODY_TIMEOUT_MS} ms`)
      const { statusCode } = response
      if (statusCode === 200 || request.accept?.includes(statusCode) === true) {
        const head = answerHead(response.headers)
        await this.#read(response, (chunk) => onChunk(chunk, head))
        whole = true
        return { statusCode, head }
      }
      const rejection = await beginningOf(response.body)
      whole = rejection.whole
      throw this.#rejection(request, response, rejection.text)
    } catch (error) {
      const answered = error instanceof ConsulError && error.statusCode !== undefined
      throw timed.missed === undefined || answered
        ? error
        : new ConsulError(`${this.name} ${timed.missed}`, { timedOut: true })
    } finally {
      timed.clear()
      this.#transport.release(connection, whole)
    }
  }

  async #send(
    connection: Client,
    request: AgentRequest,
    token: string | undefined,
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const { method, path, body } = request
    return connection
      .request({
        method,
        path: `${this.#options.pathPrefix}${path}${this.#query(request)}`,
        headers: { accept: 'application/json', ...this.#credentials.headers(token) },
        body: body === undefined ? null : JSON.stringify(body),
        signal,
      })
      .catch((error: unknown) => this.#unreached(error))
  }

  #unreached(thrown: unknown): never {
    const error = asError(thrown)
    const advice = adviceForFailure(error, this.#options.address.startsWith('https:'))
    // OpenSSL ends its messages by a line break.
    const reason = reasonOf(error).trim()
    throw new ConsulError(`${this.name} could not be reached: ${reason}${advice}`, { cause: thrown })
  }

  #query({ query }: AgentRequest): string {
    const { namespace, partition } = this.#options
    const all = new URLSearchParams(query)
    if (namespace !== undefined && !all.has('ns')) all.set('ns', namespace)
    if (partition !== undefined && !all.has('partition')) all.set('partition', partition)
    return all.size === 0 ? '' : `?${all.toString()}`
  }

  async #read({ body }: Dispatcher.ResponseData, onChunk: (chunk: Buffer) => void): Promise<void> {
    let size = 0
    let unbroken = 0
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > LARGEST_BODY_BYTES)
          throw new ConsulError(`${this.name} gave an answer longer than ${LARGEST_BODY_BYTES} bytes`)
        onChunk(chunk)
        unbroken += chunk.length
        if (unbroken >= TURN_BYTES) {
          unbroken = 0
          await nextTurn()
        }
      }
    } catch (thrown) {
      if (!isOfTheStream(thrown)) throw thrown
      throw new ConsulError(`${this.name} ended its answer too early: ${reasonOf(thrown)}`, { cause: thrown })
    } finally {
      // Destroys what is left of the body, and with it the connection.
      body.destroy()
    }
  }

  #rejection(
    { method }: AgentRequest,
    { statusCode, headers }: Dispatcher.ResponseData,
    text: string,
  ): ConsulError {
    const said = text.trim().slice(0, 200)
    const retryAfter = headers['retry-after']
    return new ConsulError(
      `${this.name} answered ${statusCode}${said === '' ? '' : ` (${said})`}${adviceForStatus(statusCode, said, method, this.sendsToken)}`,
      {
        statusCode,
        said,
        retryAfterMs: retryAfterMs(
          typeof retryAfter === 'string' ? retryAfter : undefined,
          this.#clock.unixTime(),
        ),
      },
    )
  }
}

/** As much of a body as a message can show; what cannot be read is omitted, as the status counts without it. */
async function beginningOf(
  body: Dispatcher.ResponseData['body'],
): Promise<{ readonly text: string; readonly whole: boolean }> {
  let text = ''
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      text += chunk.toString('utf8')
      if (text.length > LARGEST_REJECTION) return { text, whole: false }
    }
    return { text, whole: true }
  } catch {
    return { text, whole: false }
  } finally {
    body.destroy()
  }
}

/** From undici or the socket, which give each failure a code: what the reader of the body throws has none. */
function isOfTheStream(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'code' in thrown
}

type Answered = Omit<Answer, 'text'>
type ChunkListener = (chunk: Buffer, head: AnswerHead) => void

/** A time by our own clock for each step of a question, as one signal. */
class Deadline {
  /** What was not there in time, as the end of a sentence. */
  missed: string | undefined
  readonly #clock: Clock
  readonly #caller: AbortSignal
  // Not AbortSignal.any: what that makes of a signal that lives long lives as long, in Node 20.
  readonly #controller = new AbortController()
  #timer: Timer | undefined

  constructor(clock: Clock, caller: AbortSignal) {
    this.#clock = clock
    this.#caller = caller
    if (caller.aborted) this.#controller.abort()
    else caller.addEventListener('abort', this.#abort)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** In place of the time that was set before. */
  set(timeoutMs: number, what: string): void {
    this.#disarm()
    if (this.#caller.aborted) return
    this.#timer = this.#clock.setTimer(() => {
      this.missed = what
      this.#controller.abort()
    }, timeoutMs)
  }

  clear(): void {
    this.#disarm()
    this.#caller.removeEventListener('abort', this.#abort)
  }

  #disarm(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  readonly #abort = (): void => {
    this.#disarm()
    this.#controller.abort()
  }
}
