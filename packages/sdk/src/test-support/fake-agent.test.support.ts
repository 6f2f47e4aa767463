import type { IncomingMessage } from 'node:http'
import { FakeConsul, refuse, type FakeConsulStep, type ManualClock } from '../testing/index.js'
import type { Registration } from '../registration/registration.js'

/** One call as the agent got it. */
export interface AgentCall {
  /** Such as `register`, `update`, `maintenance`, `status` or `deregister`. */
  readonly name: string
  /** What stands behind it: an id, and the query. */
  readonly target: string
  readonly body: Readonly<Record<string, unknown>>
}

const ok: FakeConsulStep = (_, response) => response.end()

const PATHS = {
  register: '/v1/agent/service/register',
  update: '/v1/agent/check/update/',
  maintenance: '/v1/agent/service/maintenance/',
  deregister: '/v1/agent/service/deregister/',
  status: '/v1/agent/health/service/id/',
  owner: '/v1/agent/service/',
} as const

type CallName = keyof typeof PATHS

// More than any test here asks for.
const OFTEN = 200

/** An agent that takes registrations, and does with each kind of call what the test says; otherwise all goes well. */
export class FakeAgent {
  readonly consul: FakeConsul
  readonly calls: AgentCall[] = []
  readonly #scripts = new Map<string, FakeConsulStep[]>()
  readonly #always = new Map<string, FakeConsulStep>()
  /** What was registered last. */
  #registered: Readonly<Record<string, unknown>> = {}

  private constructor(consul: FakeConsul) {
    this.consul = consul
  }

  /** @param id The instance's. @param checkIds Those of its checks of kind `ttl`. */
  static async start(id: string, checkIds?: readonly string[]): Promise<FakeAgent> {
    return FakeAgent.on(await FakeConsul.start(), id, checkIds)
  }

  /** One that is there already takes registrations as well. */
  static on(consul: FakeConsul, id: string, checkIds: readonly string[] = [`service:${id}`]): FakeAgent {
    const agent = new FakeAgent(consul)
    const serve = (method: string, name: CallName, target: string): void =>
      agent.consul.on(
        `${method} ${PATHS[name]}${encodeURIComponent(target)}`,
        ...Array.from({ length: OFTEN }, () => agent.#step(name, target)),
      )
    serve('PUT', 'register', '')
    for (const checkId of checkIds) serve('PUT', 'update', checkId)
    serve('PUT', 'maintenance', id)
    serve('PUT', 'deregister', id)
    serve('GET', 'status', id)
    serve('GET', 'owner', id)
    return agent
  }

  get address(): string {
    return this.consul.address
  }

  /** The meta that was registered last: says whose it is. */
  get meta(): Readonly<Record<string, string>> {
    return (this.#registered['Meta'] ?? {}) as Readonly<Record<string, string>>
  }

  /** The names of all calls so far. */
  get names(): readonly string[] {
    return this.calls.map(({ name }) => name)
  }

  /** What becomes of the next calls of this kind. */
  next(name: CallName, ...steps: readonly FakeConsulStep[]): void {
    this.#scripts.set(name, [...(this.#scripts.get(name) ?? []), ...steps])
  }

  /** What becomes of every call of this kind from now on; `undefined`: it goes well. */
  always(name: CallName, step: FakeConsulStep | undefined): void {
    if (step === undefined) this.#always.delete(name)
    else this.#always.set(name, step)
  }

  /** As an agent that has lost its data, until it is registered with again. */
  forget(): void {
    this.next('update', refuse(500, 'CheckID "c" does not have associated TTL'))
  }

  close(): Promise<void> {
    return this.consul.close()
  }

  #step(name: CallName, target: string): FakeConsulStep {
    return (request, response) => {
      void read(request).then((body) => {
        const query = (request.url ?? '').split('?')[1] ?? ''
        // That it is asked whose the registration is stands before every other call: `next` and `always` say what it answers.
        if (name !== 'owner')
          this.calls.push({ name, target: query === '' ? target : `${target}?${query}`, body })
        if (name === 'register') this.#registered = body
        const well = name === 'status' ? this.#sayStatus : name === 'owner' ? this.#sayOwner : ok
        const step = this.#scripts.get(name)?.shift() ?? this.#always.get(name) ?? well
        step(request, response)
      })
    }
  }

  /** Each check as it was registered. */
  readonly #sayStatus: FakeConsulStep = (_, response) =>
    response.end(JSON.stringify({ AggregatedStatus: 'passing', Checks: this.#registered['Checks'] }))

  readonly #sayOwner: FakeConsulStep = (_, response) =>
    response.end(JSON.stringify({ ID: this.#registered['ID'], Meta: this.#registered['Meta'] }))
}

/** Ends a test's registration, whatever its agent does: its id may come again, on an agent that gets the same port. */
export async function letGo(registration: Registration, clock: ManualClock): Promise<void> {
  const pump = setInterval(() => void clock.advance(50), 1)
  await registration.deregister()
  clearInterval(pump)
}

async function read(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return text === '' ? {} : (JSON.parse(text) as Readonly<Record<string, unknown>>)
}
