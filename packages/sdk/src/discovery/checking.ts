import type { Events } from '../observe/events.js'
import { shown } from '../validation/invalid-option.js'
import type { Resolver, ResolverEvent } from './resolver.js'

/**
 * The same resolver, a user's, held to its contract: of a set that cannot be used it says what is wrong with it, where it
 * is wrong, and goes on with the last one as `stale`. Further on the same mistake would be a `TypeError` of ours.
 */
export function checking(resolver: Resolver, events: Events): Resolver {
  return {
    get name() {
      return resolver.name
    },
    async *watch(service, signal) {
      for await (const event of resolver.watch(service, signal)) {
        const wrong = complaintOf(event)
        if (wrong === undefined) {
          yield event
          continue
        }
        const { name } = resolver
        events.publish({ type: 'discovery:invalid', service, resolver: name, error: new TypeError(wrong) })
        const cause = new TypeError(`${name} gave a set that cannot be used: ${wrong}`)
        yield { kind: 'stale', cause } satisfies ResolverEvent
      }
    },
  }
}

/** A field, what its value must hold, and that in words. */
type Check = readonly [name: string, holds: (value: unknown) => boolean, wanted: string]

// A URL would be parsed in 10 ms for 10,000. Scheme and port as they stand tell which are one place.
const ORIGIN = /^https?:\/\/(?:\[[\da-fA-F:.]+\]|[^\s/\\?#@:[\]]+):\d{1,5}$/

const KINDS: readonly unknown[] = ['deliberate', 'unhealthy', 'unusable']

const TEXT = 'a string that is not empty'
const COUNT = 'a whole number, 0 or more'

const INSTANCE: readonly Check[] = [
  ['key', isText, TEXT],
  [
    'origin',
    (value) => typeof value === 'string' && ORIGIN.test(value),
    'a URL of scheme, host and port, such as "http://10.0.0.1:8080"',
  ],
  ['addresses', optional(isTexts), 'an array of IP addresses, or undefined'],
  ['registrations', optional(isTexts), 'an array of keys, or undefined'],
  ['weight', isWeight, 'a finite number, 0 or more'],
  ['priority', isCount, COUNT],
  ['tags', isTexts, 'an array of strings; [] where there are none'],
  ['meta', isMeta, 'an object of strings; {} where there is nothing in it'],
  ['locality', isObject, 'an object; {} where it is not known'],
]

const EXCLUDED: readonly Check[] = [
  ['key', isText, TEXT],
  ['reason', isText, TEXT],
  ['kind', (value) => KINDS.includes(value), 'deliberate, unhealthy or unusable'],
  ['priority', isCount, COUNT],
]

const SNAPSHOT: readonly Check[] = [
  ['instances', Array.isArray, 'an array; [] where there are none'],
  ['excluded', Array.isArray, 'an array; [] where there are none'],
  ['suspect', optional(isString), 'a string, or undefined'],
  ['empty', optional(isString), 'a string, or undefined'],
  ['savedAt', optional(Number.isFinite), 'Unix milliseconds, or undefined'],
  ['policy', optional(isObject), 'an object, or undefined'],
]

/** What is wrong with what should be an event of a resolver; undefined: nothing. */
function complaintOf(event: unknown): string | undefined {
  if (!isObject(event)) return `the event is ${shown(event)}: it must be an object`
  if (event['kind'] === 'stale') {
    return event['cause'] instanceof Error
      ? undefined
      : `the cause of an event "stale" is ${shown(event['cause'])}: it must be an Error`
  }
  if (event['kind'] !== 'snapshot') return `kind is ${shown(event['kind'])}: it must be "snapshot" or "stale"`
  return (
    complaintAbout('', event, SNAPSHOT) ??
    complaintAmong('instances', event['instances'], INSTANCE) ??
    complaintAmong('excluded', event['excluded'], EXCLUDED)
  )
}

function complaintAmong(name: string, members: unknown, checks: readonly Check[]): string | undefined {
  let index = 0
  for (const member of members as readonly unknown[]) {
    const at = `${name}[${index++}]`
    if (!isObject(member)) return `${at} is ${shown(member)}: it must be an object`
    const complaint = complaintAbout(`${at}.`, member, checks)
    if (complaint !== undefined) return complaint
  }
  return undefined
}

function complaintAbout(
  at: string,
  fields: Readonly<Record<string, unknown>>,
  checks: readonly Check[],
): string | undefined {
  for (const [name, holds, wanted] of checks) {
    const value = fields[name]
    if (!holds(value)) return `${at}${name} is ${shown(value)}: it must be ${wanted}`
  }
  return undefined
}

function optional(holds: (value: unknown) => boolean): (value: unknown) => boolean {
  return (value) => value === undefined || holds(value)
}

function isString(value: unknown): value is string {
  return typeof value === 'string'
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isString)
}

function isWeight(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

function isCount(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0
}

function isMeta(value: unknown): boolean {
  return isObject(value) && Object.values(value).every(isString)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
