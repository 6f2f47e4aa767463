import type { AgentRequest, Answer, ConsulAgent } from '../consul/agent.js'
import { ConsulError } from '../consul/consul-error.js'
import { asJson, field, list, text } from '../consul/json.js'
import type { CheckStatus } from './check-options.js'
import { OWNER_META } from '../discovery/owner-meta.js'

/** The agent does not know the instance, or one of its checks: it has lost its data, or they were deregistered. */
export class ForgottenError extends Error {
  override readonly name: string = 'ForgottenError'
}

// None of this waits for a server, but for ACL tokens that the agent has not seen before: an agent of this machine
// answers in milliseconds. A heartbeat that waited longer would be late anyway.
const ANSWER_TIMEOUT_MS = 5000

const SERVICE = '/v1/agent/service'

/** What there is to say to one agent of one instance, and to ask. Every call is over within {@link ANSWER_TIMEOUT_MS}. */
export class AgentService {
  readonly agent: ConsulAgent
  readonly #id: string

  constructor(agent: ConsulAgent, id: string) {
    this.agent = agent
    this.#id = id
  }

  /** Registers it, or puts this in place of what is registered under its id: checks and maintenance as well. */
  async register(definition: object, signal: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ 'replace-existing-checks': 'true' })
    await this.#ask({ method: 'PUT', path: `${SERVICE}/register`, query, body: definition }, signal)
  }

  /**
   * Whose registration the agent has under its id; empty: it does not say, as that of another program.
   *
   * @throws ForgottenError
   */
  async owner(signal: AbortSignal): Promise<string> {
    const path = `${SERVICE}/${encodeURIComponent(this.#id)}`
    const { statusCode, text: body } = await this.#ask({ method: 'GET', path, accept: [404] }, signal)
    if (statusCode === 404) throw new ForgottenError(`${this.agent.name} does not know ${this.#id}`)
    return text(field(this.#parse(body, statusCode), 'Meta')[OWNER_META])
  }

  /** @throws ForgottenError */
  async report(checkId: string, status: CheckStatus, output: string, signal: AbortSignal): Promise<void> {
    const path = `/v1/agent/check/update/${encodeURIComponent(checkId)}`
    const body = { Status: status, Output: output }
    await this.#ask({ method: 'PUT', path, body }, signal).catch((thrown: unknown) => {
      if (thrown instanceof ConsulError && saysUnknown(thrown))
        throw new ForgottenError(thrown.message, { cause: thrown })
      throw thrown
    })
  }

  /**
   * The agent's status of each check that it has of it, those of the node as well.
   *
   * @throws ForgottenError
   */
  async statuses(signal: AbortSignal): Promise<ReadonlyMap<string, CheckStatus>> {
    const path = `/v1/agent/health/service/id/${encodeURIComponent(this.#id)}`
    // 200, 429 and 503 are passing, warning and critical; all of them with a body, which an overload does not have.
    const { statusCode, text: body } = await this.#ask(
      { method: 'GET', path, accept: [404, 429, 503] },
      signal,
    )
    if (statusCode === 404) throw new ForgottenError(`${this.agent.name} does not know ${this.#id}`)
    const statuses = new Map<string, CheckStatus>()
    for (const check of list(this.#parse(body, statusCode)['Checks'])) {
      const { CheckID: id, Status: status } = asJson(check)
      // A status that is none of Consul's cannot be trusted with requests.
      statuses.set(text(id), status === 'passing' || status === 'warning' ? status : 'critical')
    }
    return statuses
  }

  /**
   * Switches maintenance on or off.
   *
   * @param reason For people; `undefined`: out.
   * @throws ForgottenError
   */
  async maintain(reason: string | undefined, signal: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ enable: String(reason !== undefined) })
    if (reason !== undefined) query.set('reason', reason)
    const path = `${SERVICE}/maintenance/${encodeURIComponent(this.#id)}`
    const { statusCode, text: said } = await this.#ask({ method: 'PUT', path, query, accept: [404] }, signal)
    if (statusCode === 404) throw new ForgottenError(`${this.agent.name}: ${said}`)
  }

  /** Deregisters it; that it is not there is as good. */
  async deregister(signal: AbortSignal): Promise<void> {
    const path = `${SERVICE}/deregister/${encodeURIComponent(this.#id)}`
    await this.#ask({ method: 'PUT', path, accept: [404] }, signal)
  }

  #ask(request: Omit<AgentRequest, 'timeoutMs'>, signal: AbortSignal): Promise<Answer> {
    return this.agent.ask({ ...request, timeoutMs: ANSWER_TIMEOUT_MS }, signal)
  }

  #parse(body: string, statusCode: number): Readonly<Record<string, unknown>> {
    try {
      return asJson(JSON.parse(body))
    } catch (error) {
      throw new ConsulError(`${this.agent.name} answered ${statusCode} (${body.trim().slice(0, 200)})`, {
        cause: error,
        statusCode,
      })
    }
  }
}

/** For a check that is not there an agent says 404; an older one, such as 1.8, says 500 and one of two texts. */
function saysUnknown({ statusCode, message }: ConsulError): boolean {
  if (statusCode === 404) return true
  return statusCode === 500 && /unknown check|does not have associated TTL/i.test(message)
}
