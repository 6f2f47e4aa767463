import { createHash } from 'node:crypto'
import * as v from 'valibot'
import type { Instance, Snapshot } from '../resolver.js'

const text = v.optional(v.string())
const amount = v.optional(v.number())

const instanceSchema = v.object({
  key: v.string(),
  origin: v.pipe(v.string(), v.url()),
  addresses: v.optional(v.array(v.string())),
  weight: v.number(),
  priority: v.number(),
  tags: v.array(v.string()),
  meta: v.record(v.string(), v.string()),
  locality: v.object({ datacenter: text, zone: text }),
})

const excludedSchema = v.object({
  key: v.string(),
  reason: v.string(),
  kind: v.picklist(['deliberate', 'unhealthy', 'unusable']),
  priority: v.number(),
})

const policySchema = v.object({
  connectTimeoutMs: amount,
  requestTimeoutMs: amount,
  loadBalancer: v.optional(
    v.object({
      policy: v.string(),
      choiceCount: amount,
      minimumRingSize: amount,
      maximumRingSize: amount,
      hashPolicies: v.array(
        v.object({
          field: v.picklist(['header', 'cookie', 'query_parameter', 'source_ip', 'pathname']),
          name: v.string(),
          terminal: v.boolean(),
        }),
      ),
    }),
  ),
})

const contentSchema = v.object({
  source: v.string(),
  service: v.string(),
  savedAt: v.number(),
  instances: v.array(instanceSchema),
  excluded: v.array(excludedSchema),
  policy: v.optional(policySchema),
})

// Another form gets another number, and the one before is then as good as none.
const VERSION = 1

const NEWLINE = 0x0a

/** A saved set, and whose it is. */
export interface Saved {
  readonly source: string
  readonly service: string
  readonly snapshot: Snapshot & { readonly savedAt: number }
}

/**
 * A line with version and checksum, and a line with all of the set but whether it is suspect, as what is suspect is not saved.
 * What is excluded is part of it, as priorities count it.
 */
export function encodeSaved({ source, service, snapshot }: Saved): Buffer {
  const { savedAt, instances, excluded, policy } = snapshot
  const content = Buffer.from(JSON.stringify({ source, service, savedAt, instances, excluded, policy }))
  return Buffer.concat([headOf(content), content])
}

/** @throws Error with the reason why it cannot be used. */
export function decodeSaved(bytes: Buffer): Saved {
  const start = bytes.indexOf(NEWLINE) + 1
  const content = bytes.subarray(start)
  if (!bytes.subarray(0, start).equals(headOf(content)))
    throw new Error(`it is damaged, or of another version than ${VERSION}`)
  const { source, service, savedAt, instances, excluded, policy } = v.parse(
    contentSchema,
    JSON.parse(content.toString('utf8')),
  )
  return {
    source,
    service,
    snapshot: {
      kind: 'snapshot',
      instances: instances.map((instance): Instance => Object.freeze(instance)),
      excluded,
      savedAt,
      ...(policy === undefined ? {} : { policy }),
    },
  }
}

function headOf(content: Buffer): Buffer {
  const sha256 = createHash('sha256').update(content).digest('hex')
  return Buffer.from(`${JSON.stringify({ version: VERSION, sha256 })}\n`)
}
