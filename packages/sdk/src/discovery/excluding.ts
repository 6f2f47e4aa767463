import { asError, reasonOf } from '../errors.js'
import { shown } from '../validation/invalid-option.js'
import type { Events } from '../observe/events.js'
import type { ExcludedInstance, Instance, Resolver, ResolverEvent } from './resolver.js'

/** Why an instance is never to be used, for people; `undefined` when it may be. */
export type Exclude = (instance: Instance) => string | undefined

/**
 * The same instances without those that `exclude` has a reason against. It is the user's: an instance for which it throws,
 * or returns what is neither text nor undefined, is used, since a mistake in it must not take the service down.
 */
export function excluding(resolver: Resolver, exclude: Exclude, events: Events): Resolver {
  return {
    get name() {
      return resolver.name
    },
    async *watch(service, signal) {
      const mistakes = new Mistakes(service, events)
      for await (const event of resolver.watch(service, signal)) yield without(event, exclude, mistakes)
    },
  }
}

function without(event: ResolverEvent, exclude: Exclude, mistakes: Mistakes): ResolverEvent {
  if (event.kind !== 'snapshot') return event
  const excluded: ExcludedInstance[] = []
  const instances = event.instances.filter((instance) => {
    const reason = reasonAgainst(instance, exclude, mistakes)
    if (reason !== undefined)
      excluded.push({ key: instance.key, reason, kind: 'unusable', priority: instance.priority })
    return reason === undefined
  })
  mistakes.tell()
  if (excluded.length === 0) return event
  return { ...event, instances, excluded: [...event.excluded, ...excluded] }
}

function reasonAgainst(instance: Instance, exclude: Exclude, mistakes: Mistakes): string | undefined {
  try {
    const reason: unknown = exclude(instance)
    if (reason === undefined || typeof reason === 'string') return reason
    mistakes.add(instance, `it returned ${shown(reason)}, which is neither text nor undefined`)
    if (reason instanceof Promise) reason.catch(() => undefined)
  } catch (thrown) {
    mistakes.add(instance, reasonOf(asError(thrown)))
  }
  return undefined
}

/** What `exclude` gets wrong: said when it begins, and again after a set in which it got nothing wrong. */
class Mistakes {
  readonly #service: string
  readonly #events: Events
  #keys: string[] = []
  #first = ''
  #told = false

  constructor(service: string, events: Events) {
    this.#service = service
    this.#events = events
  }

  add({ key }: Instance, reason: string): void {
    if (this.#keys.length === 0) this.#first = reason
    this.#keys.push(key)
  }

  /** A set has been gone through. */
  tell(): void {
    const keys = this.#keys
    this.#keys = []
    if (keys.length > 0 && !this.#told) {
      this.#events.publish({
        type: 'discovery:exclude-failed',
        service: this.#service,
        instances: keys,
        reason: this.#first,
      })
    }
    this.#told = keys.length > 0
  }
}
