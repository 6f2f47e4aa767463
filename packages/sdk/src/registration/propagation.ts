import { isAborted, sleep, type Clock } from '../clock.js'
import type { ConsulAgent } from '../consul/agent.js'
import { asJson, field, list, text } from '../consul/json.js'
import { OWNER_META } from '../discovery/owner-meta.js'
import { BlockingIndex, CONFIRM_MS, type Waiting } from '../discovery/consul/blocking-index.js'

/** Whose maintenance is waited for. */
export interface Drained {
  readonly service: string
  readonly id: string
  /** Of an id, whose registration is waited for: another process may have taken its place. */
  readonly owner: string
  /** The reason that the agent was given: instances of other agents may have the same id. */
  readonly reason: string
  /** Does the agent not have the instance any more? */
  readonly gone: boolean
}

// A change of the service ends each query, and one that is restarted has many: ten queries a second are enough.
const PAUSE_MS = 100

// Where the agent does not answer: again and again until the caller aborts, which is in seconds.
const RETRY_MS = 250

/**
 * Watches the service as a client does, until the catalog has it that the instance is in maintenance, or has it no more.
 * Resolves to false when `signal` aborts before.
 */
export async function isSeenByClients(
  agent: ConsulAgent,
  drained: Drained,
  waitMs: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<boolean> {
  const index = new BlockingIndex()
  let present = false
  while (!isAborted(signal)) {
    try {
      const { head, text: body } = await agent.ask(
        {
          method: 'GET',
          path: `/v1/health/service/${encodeURIComponent(drained.service)}`,
          query: queryFor(drained, index.waiting(waitMs)),
          // The caller's signal is what ends it.
          timeoutMs: waitMs * 2,
        },
        signal,
      )
      // Consul before 1.5 knows no filter and sends all.
      const entries = list(JSON.parse(body)).filter((entry) => isOf(entry, drained))
      const standing = index.take(head)
      if (standing !== 'whole') {
        await sleep(clock, standing === 'older' ? CONFIRM_MS : PAUSE_MS, signal)
        continue
      }
      if (entries.some((entry) => notes(entry).includes(drained.reason))) return true
      // Put into maintenance by another hand, with another reason.
      if (entries.length > 0 && entries.every((entry) => notes(entry).length > 0)) return true
      // It may not have got there yet, or a token may not see it: that it is not listed says something only if it was.
      if (entries.length === 0 && (present || drained.gone)) return true
      present ||= entries.length > 0
      await sleep(clock, PAUSE_MS, signal)
    } catch {
      index.reset()
      await sleep(clock, RETRY_MS, signal)
    }
  }
  return false
}

function queryFor({ id }: Drained, waiting: Waiting | undefined): URLSearchParams {
  // Of a large service, the one instance is all that has to be sent.
  const query = new URLSearchParams({ filter: `Service.ID == ${JSON.stringify(id)}` })
  if (waiting !== undefined) {
    query.set('index', String(waiting.index))
    query.set('wait', `${waiting.waitMs}ms`)
  }
  return query
}

/** What stands with each maintenance of an instance: of its own, and of its node. */
function notes(entry: unknown): string[] {
  const id = idOf(entry)
  return list(asJson(entry)['Checks']).flatMap((check) => {
    const { CheckID, Notes } = asJson(check)
    return CheckID === '_node_maintenance' || CheckID === `_service_maintenance:${id}` ? [text(Notes)] : []
  })
}

function isOf(entry: unknown, { id, owner }: Drained): boolean {
  return idOf(entry) === id && text(field(field(entry, 'Service'), 'Meta')[OWNER_META]) === owner
}

function idOf(entry: unknown): string {
  return text(field(entry, 'Service')['ID'])
}
