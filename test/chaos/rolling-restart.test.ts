import { createClient, type BalancerName, type Client } from '@fairlead/sdk'
import { Pool } from 'undici'
import { expect, inject, test } from 'vitest'
import { health, uniqueService } from '../support/consul/registry.js'
import type { InstanceAnswer } from '../support/instance.js'
import { startLoad, type Load } from '../support/load.js'
import { eventually } from '../support/poll.js'
import { quiet } from '../support/quiet.js'
import { RegisteredInstance } from '../support/registered-instance.js'
import { startSidecarProcess } from '../support/sidecar-process.js'

const agent = inject('consul').address

// Long enough that each instance has requests in flight when it is told to end.
const ANSWER_MS = 4

const ROUNDS = 2

// Twelve starts of a process, eight settlings of a second, and load throughout: 20 s on a machine with nothing else to do.
const TIMEOUT_MS = 240_000

const METHODS = ['GET', 'PUT', 'POST'] as const

interface Outgoing {
  readonly method: (typeof METHODS)[number]
  readonly id: string
  readonly body: string | null
}

/** Load of every method in turn, each request with an id of its own, from one kind of client. */
class Traffic {
  readonly name: string
  readonly load: Load
  /** Ids of the requests that were answered, by method. */
  readonly answered: ReadonlyMap<string, Set<string>> = new Map(METHODS.map((method) => [method, new Set()]))
  readonly #byRun = new Map<string, number>()

  constructor(name: string, send: (outgoing: Outgoing) => Promise<InstanceAnswer>) {
    this.name = name
    this.load = startLoad(async (index) => {
      const method = METHODS[index % METHODS.length] ?? 'GET'
      const id = `${name}-${index}`
      const answer = await send({ method, id, body: method === 'GET' ? null : `body of ${id}` })
      expect(answer).toMatchObject({ method, id })
      this.answered.get(method)?.add(id)
      this.#byRun.set(answer.instance, (this.#byRun.get(answer.instance) ?? 0) + 1)
    }, 8)
  }

  answeredBy(run: string): number {
    return this.#byRun.get(run) ?? 0
  }
}

function sendBy(client: Client) {
  return async ({ method, id, body }: Outgoing): Promise<InstanceAnswer> => {
    const answer = await client.request({ path: '/', method, headers: { 'x-request-id': id }, body })
    expect(answer.statusCode).toBe(200)
    return (await answer.body.json()) as InstanceAnswer
  }
}

test(
  'two rolling restarts of four instances under load: not one request fails, each POST is seen once',
  async () => {
    const service = uniqueService('orders')
    const names = ['a', 'b', 'c', 'd']
    const instances = names.map((name) => new RegisteredInstance(name, service, agent))
    const balancers: readonly BalancerName[] = ['peak_ewma', 'round_robin']
    const clients = balancers.map((balancer) =>
      createClient(service, { consul: { address: agent }, balancer, logger: quiet }),
    )
    await using sidecar = await startSidecarProcess(agent, ['--service', service])
    const pool = new Pool(sidecar.address)
    const traffics: Traffic[] = []
    try {
      await Promise.all(instances.map((instance) => instance.start(0, ANSWER_MS)))
      for (const client of clients) {
        await eventually(() => client.inspect().endpoints.length === 4, { what: 'four endpoints' })
      }
      for (const [index, client] of clients.entries()) {
        traffics.push(new Traffic(balancers[index] ?? '', sendBy(client)))
      }
      traffics.push(
        new Traffic('sidecar', async ({ method, id, body }) => {
          const headers = { host: service, 'x-request-id': id }
          const answer = await pool.request({ path: '/', method, headers, body })
          const text = await answer.body.text()
          if (answer.statusCode !== 200) throw new Error(`${method} ${id}: ${answer.statusCode} ${text}`)
          return JSON.parse(text) as InstanceAnswer
        }),
      )
      const usedByAll = (run: string): Promise<unknown> =>
        eventually(() => traffics.every((traffic) => traffic.answeredBy(run) > 20), {
          what: `load on ${run} from every client`,
          deadlineMs: 20_000,
        })
      for (const name of names) await usedByAll(`${name}.1`)

      for (let round = 1; round <= ROUNDS; round++) {
        for (const [index, instance] of instances.entries()) {
          const { ending, drain } = await instance.terminate()
          expect(ending).toEqual({ code: null, signal: 'SIGTERM' })
          expect(drain).toEqual({ confirmed: true, finished: true, deregistered: true })
          // Every other one comes back elsewhere, as in a container.
          await instance.start(index % 2 === 0 ? instance.port : 0, ANSWER_MS)
          await usedByAll(`${instance.name}.${round + 1}`)
        }
      }
      await Promise.all(traffics.map(({ load }) => load.stop()))

      expect(
        traffics.flatMap(({ name, load }) => load.failures.map((failure) => `${name}: ${String(failure)}`)),
      ).toEqual([])
      expect(await health(agent, service)).toHaveLength(4)
      await Promise.all(instances.map((instance) => instance.terminate()))
      const sightings = new Map<string, number>()
      for (const seen of instances.flatMap((instance) => instance.seen)) {
        sightings.set(seen, (sightings.get(seen) ?? 0) + 1)
      }
      for (const { name, load, answered } of traffics) {
        const ids = METHODS.flatMap((method) =>
          [...(answered.get(method) ?? [])].map((id) => `${method} ${id}`),
        )
        expect(ids.length, name).toBe(load.succeeded)
        expect(
          ids.filter((id) => !sightings.has(id)),
          name,
        ).toEqual([])
      }
      const posts = [...sightings].filter(([id]) => id.startsWith('POST '))
      expect(posts.filter(([, times]) => times !== 1)).toEqual([])
      expect(posts.length).toBe(
        traffics.reduce((sum, { answered }) => sum + (answered.get('POST')?.size ?? 0), 0),
      )
      console.log(
        `${sightings.size} requests, ${posts.length} of them POSTs: ${traffics.map(({ name, load }) => `${name} ${load.succeeded}`).join(', ')}`,
      )
    } finally {
      await Promise.all(traffics.map(({ load }) => load.stop()))
      await Promise.all(clients.map((client) => client.close()))
      await pool.destroy()
      await Promise.all(instances.map(async (instance) => instance.running && instance.terminate()))
    }
  },
  TIMEOUT_MS,
)
