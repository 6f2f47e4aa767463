import type { ConsulAgent } from '../../consul/agent.js'
import type { AnswerHead } from '../../consul/answer-head.js'
import { JsonListReader, type EntryReader, type Keyed } from '../../consul/json-list.js'
import { few } from '../../logger.js'
import { nearest } from '../../validation/nearest-name.js'
import { healthQuery } from './question.js'
import { NO_TOKEN } from './trust.js'
import type { WatchTarget } from './watch.js'
import { field, list, text } from '../../consul/json.js'

// The agent has just answered; and what waits for that answer does not wait longer for a hint.
const HINT_MS = 1000

/**
 * What an answer without any instance may come of, as what the agent says: it "knows no instance of that name", and
 * what to look at, or knows some, none of which the client's own `tags` and `filter` choose. The latter takes a query.
 */
export async function whyEmpty(
  agent: ConsulAgent,
  target: WatchTarget,
  head: AnswerHead,
  signal: AbortSignal,
): Promise<string> {
  const { tags, filter } = target.question
  const others =
    tags.length + (filter === undefined ? 0 : 1) > 0 ? await tagsOfAll(agent, target, signal) : []
  if (others.length > 0) return `knows ${others.length} of that name, none of them ${chosen(target, others)}`
  return head.filteredByAcls === true && agent.sendsToken
    ? `knows no instance of that name which the token may see: it needs ${RIGHTS} (option consul.token, or CONSUL_HTTP_TOKEN)`
    : `knows no instance of that name${hintOf(head, agent.sendsToken)}`
}

const RIGHTS = 'service:read for it, and node:read'

/** An older agent, or one that answers from a cache, does not say what its ACLs deny or have filtered: then they may. */
function hintOf({ deniesByDefault, filteredByAcls }: AnswerHead, sendsToken: boolean): string {
  if (deniesByDefault === false) return ''
  if (sendsToken) return filteredByAcls === undefined ? ` (or the token lacks ${RIGHTS})` : ''
  return deniesByDefault === true ? ` (${NO_TOKEN})` : ' (no token: set CONSUL_HTTP_TOKEN, where ACLs are on)'
}

function chosen({ question: { tags, filter } }: WatchTarget, others: readonly string[][]): string {
  const known = [...new Set(others.flat())].sort()
  const byTags =
    tags.length === 0
      ? []
      : [`with all tags of consul.tags, which are ${tags.map(quoted).join(', ')} (${theirs(tags, known)})`]
  const byFilter =
    filter === undefined ? [] : [`such that ${filter} (consul.filter, or the service-resolver's subset)`]
  return `${[...byTags, ...byFilter].join(', and ')}: correct that, or register them so`
}

function theirs(tags: readonly string[], known: readonly string[]): string {
  if (known.length === 0) return 'they have none'
  // Consul takes no notice of case in tags.
  const has = (tag: string): boolean => known.some((other) => other.toLowerCase() === tag.toLowerCase())
  const meant = tags.filter((tag) => !has(tag)).flatMap((tag) => nearest(tag, known) ?? [])
  const guess = meant.length === 0 ? '' : `; did you mean ${meant.map(quoted).join(', ')}?`
  return `theirs are ${few(known, quoted).join(', ')}${guess}`
}

const quoted = (tag: string): string => JSON.stringify(tag)

interface Tagged extends Keyed {
  readonly tags: readonly string[]
}

const TAGS: EntryReader<Tagged> = {
  read: (entry) => {
    const service = field(entry, 'Service')
    return {
      key: `${text(field(entry, 'Node')['Node'])}/${text(service['ID'])}`,
      tags: list(service['Tags']).map(text),
    }
  },
  same: () => true,
}

/** The tags of each instance, whatever the client wants them to have; none where that cannot be asked. */
async function tagsOfAll(
  agent: ConsulAgent,
  { service, question }: WatchTarget,
  signal: AbortSignal,
): Promise<readonly string[][]> {
  try {
    const { entries } = await agent.askList(
      {
        method: 'GET',
        path: `/v1/health/service/${encodeURIComponent(service)}`,
        query: healthQuery({ ...question, tags: [], filter: undefined }, 'anyone'),
        timeoutMs: HINT_MS,
      },
      () => new JsonListReader(TAGS),
      signal,
    )
    return entries.map(({ value }) => [...value.tags])
  } catch {
    // It is a hint: the watch itself finds out what is wrong.
    return []
  }
}
