import { setTimeout as delay } from 'node:timers/promises'
import { balancers, createClient, FairleadError, type BalancerName } from '@fairlead/sdk'
import { Pool } from 'undici'
import { describe, expect, inject, test } from 'vitest'
import { TestService } from '../support/consul/test-service.js'
import { Instance, type InstanceAnswer } from '../support/instance.js'
import { startLoad, type Load } from '../support/load.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'
import { startSidecarProcess } from '../support/sidecar-process.js'

const agent = inject('consul').address

// Long enough that each instance has several of 16 requests in flight when it is killed.
const answerMs = 4

// vitest runs five tests at once, of three instances and sixteen callers each, on however few cores there are.
const BUSY_MS = 45_000
const TIMEOUT_MS = 180_000

const METHODS = ['GET', 'PUT', 'GET', 'POST'] as const

interface Outgoing {
  readonly method: (typeof METHODS)[number]
  readonly id: string
  readonly body: string | null
}

/** Load of every method, each request with an id of its own, and what became of the POSTs. */
class Traffic {
  readonly load: Load
  /** Answers by run of an instance, such as `a.2`. */
  readonly #answers = new Map<string, number>()
  readonly #answered = new Set<string>()
  readonly #refused = new Map<string, Error>()

  constructor(send: (outgoing: Outgoing) => Promise<InstanceAnswer>) {
    this.load = startLoad(async (index) => {
      const method = METHODS[index % METHODS.length] ?? 'GET'
      const id = String(index)
      try {
        const answer = await send({ method, id, body: method === 'GET' ? null : `body of ${id}` })
        expect(answer).toMatchObject({ method, id })
        this.#answers.set(answer.instance, (this.#answers.get(answer.instance) ?? 0) + 1)
        if (method === 'POST') this.#answered.add(id)
      } catch (error) {
        // A POST that was written must not be sent again, so it may fail; all else may not.
        if (method !== 'POST' || !isExhausted(error)) throw error
        this.#refused.set(id, error)
      }
    })
  }

  answeredBy(run: string): number {
    return this.#answers.get(run) ?? 0
  }

  /**
   * Ends all of them. No request failed that may not, and each POST was answered and seen once, or refused and seen once
   * at most.
   */
  async end(instances: readonly Instance[]): Promise<void> {
    await this.load.stop()
    await endAll(instances)
    expect(this.load.failures).toEqual([])
    const sightings = new Map<string, number>()
    for (const seen of instances.flatMap((instance) => instance.seen)) {
      const [method, id = ''] = seen.split(' ')
      if (method === 'POST') sightings.set(id, (sightings.get(id) ?? 0) + 1)
    }
    expect([...sightings].filter(([, times]) => times > 1)).toEqual([])
    expect([...this.#answered].filter((id) => !sightings.has(id))).toEqual([])
    // None is lost without a word: each is either answered or refused.
    const accounted = this.#answered.size + this.#refused.size
    expect([...sightings].filter(([id]) => !this.#answered.has(id) && !this.#refused.has(id))).toEqual([])
    expect(accounted).toBe(Math.floor(this.load.succeeded / METHODS.length))
  }
}

function isExhausted(error: unknown): error is FairleadError {
  return (
    error instanceof FairleadError &&
    error.code === 'ATTEMPTS_EXHAUSTED' &&
    error.message.includes('POST is not idempotent and may have reached the endpoint')
  )
}

async function startThree(): Promise<readonly [Instance, Instance, Instance]> {
  return Promise.all([
    Instance.start('a', answerMs),
    Instance.start('b', answerMs),
    Instance.start('c', answerMs),
  ])
}

async function endAll(instances: readonly Instance[]): Promise<void> {
  await Promise.all(instances.map((instance) => instance.kill()))
}

const names = Object.keys(balancers) as readonly BalancerName[]

// At once: each has instances and a service of its own, and most of the time goes into waiting.
describe.concurrent(
  'an instance gets SIGKILL under load, and Consul does not notice',
  { timeout: TIMEOUT_MS },
  () => {
    // With unequal weights, or weighted_round_robin would hand over to round_robin.
    const weights = [2, 1, 1] as const

    test.for(names)('%s: no idempotent request fails, no POST is sent twice', async (balancer) => {
      const instances = await startThree()
      const [victim] = instances
      await using service = new TestService(agent)
      const add = (instance: Instance, index: number): Promise<void> =>
        service.add(instance.name, {
          port: instance.port,
          weights: { passing: weights[index] ?? 1, warning: 1 },
        })
      try {
        await Promise.all(instances.map(add))
        await using client = createClient(service.name, {
          consul: { address: agent },
          balancer,
          logger: quiet,
        })
        await eventually(() => client.inspect().endpoints.length === 3, { what: 'three endpoints' })

        const traffic = new Traffic(async ({ method, id, body }) => {
          const answer = await client.request({ path: '/', method, headers: { 'x-request-id': id }, body })
          return (await answer.body.json()) as InstanceAnswer
        })
        await eventually(() => instances.every(({ name }) => traffic.answeredBy(`${name}.1`) > 100), {
          what: 'load on all three',
          deadlineMs: BUSY_MS,
        })
        await victim.kill()
        await delay(2000)

        // It comes back as whatever watches over it would bring it back.
        await service.remove(victim.name)
        await eventually(() => client.inspect().endpoints.length === 2, { what: 'two endpoints' })
        await victim.start()
        await add(victim, 0)
        await eventually(() => traffic.answeredBy('a.2') > 100, {
          what: 'load on the one that is back',
          deadlineMs: BUSY_MS,
        })
        await traffic.end(instances)
      } finally {
        await endAll(instances)
      }
    })
  },
)

describe.concurrent(
  'an instance gets SIGKILL under load, and a check of Consul notices',
  { timeout: TIMEOUT_MS },
  () => {
    async function startChecked(service: TestService): Promise<readonly [Instance, Instance, Instance]> {
      const instances = await startThree()
      await Promise.all(
        instances.map(({ name, port, origin }) =>
          service.add(name, {
            port,
            check: { HTTP: `${origin}/`, Interval: '1s', Timeout: '1s', Status: 'passing' },
          }),
        ),
      )
      return instances
    }

    async function killAndBringBack(
      instances: readonly [Instance, ...Instance[]],
      send: (outgoing: Outgoing) => Promise<InstanceAnswer>,
      endpoints: () => Promise<number> | number,
    ): Promise<void> {
      const [victim] = instances
      await eventually(async () => (await endpoints()) === 3, { what: 'three endpoints' })
      const traffic = new Traffic(send)
      await eventually(() => instances.every(({ name }) => traffic.answeredBy(`${name}.1`) > 100), {
        what: 'load on all three',
        deadlineMs: BUSY_MS,
      })
      await victim.kill()
      await eventually(async () => (await endpoints()) === 2, { what: 'two endpoints', deadlineMs: BUSY_MS })
      await delay(500)
      await victim.start()
      await eventually(() => traffic.answeredBy('a.2') > 100, {
        what: 'load on the one that is back',
        deadlineMs: BUSY_MS,
      })
      await traffic.end(instances)
    }

    test('through the SDK', async () => {
      await using service = new TestService(agent)
      const instances = await startChecked(service)
      try {
        await using client = createClient(service.name, { consul: { address: agent }, logger: quiet })
        const send = async ({ method, id, body }: Outgoing): Promise<InstanceAnswer> => {
          const headers = { 'x-request-id': id }
          // Not a PUT by fetch: that makes a stream of every body, and one that is cut cannot be sent again.
          const answer =
            method === 'GET'
              ? await client.fetch('/', { headers }).then((response) => response.json())
              : await client
                  .request({ path: '/', method, headers, body })
                  .then((response) => response.body.json())
          return answer as InstanceAnswer
        }
        await killAndBringBack(instances, send, () => client.inspect().endpoints.length)
      } finally {
        await endAll(instances)
      }
    })

    test('through a sidecar', async () => {
      await using service = new TestService(agent)
      const instances = await startChecked(service)
      await using sidecar = await startSidecarProcess(agent, ['--service', service.name])
      const pool = new Pool(sidecar.address)
      try {
        const send = async ({ method, id, body }: Outgoing): Promise<InstanceAnswer> => {
          const headers = { host: service.name, 'x-request-id': id }
          const answer = await pool.request({ path: '/', method, headers, body })
          if (answer.statusCode === 200) return (await answer.body.json()) as InstanceAnswer
          const { error, message } = (await answer.body.json()) as { error: string; message: string }
          expect(answer.headers['x-fairlead-error']).toBe(error)
          throw new FairleadError(error as FairleadError['code'], `${answer.statusCode}: ${message}`)
        }
        await killAndBringBack(instances, send, () => endpointsOf(sidecar.admin))
      } finally {
        await pool.destroy()
        await endAll(instances)
      }
    })
  },
)

async function endpointsOf(admin: string): Promise<number> {
  const response = await fetch(`${admin}/endpoints`)
  const { services } = (await response.json()) as { services: readonly { endpoints: readonly unknown[] }[] }
  return services[0]?.endpoints.length ?? 0
}
