import type { ExcludedInstance, Instance, Resolver, ResolverEvent } from './resolver.js'

/** Why an instance is never to be used, for people; `undefined` when it may be. */
export type Exclude = (instance: Instance) => string | undefined

/** The same instances without those that `exclude` has a reason against. */
export function excluding(resolver: Resolver, exclude: Exclude): Resolver {
  return {
    get name() {
      return resolver.name
    },
    async *watch(service, signal) {
      for await (const event of resolver.watch(service, signal)) yield without(event, exclude)
    },
  }
}

function without(event: ResolverEvent, exclude: Exclude): ResolverEvent {
  if (event.kind !== 'snapshot') return event
  const excluded: ExcludedInstance[] = []
  const instances = event.instances.filter((instance) => {
    const reason = exclude(instance)
    if (reason !== undefined)
      excluded.push({ key: instance.key, reason, kind: 'unusable', priority: instance.priority })
    return reason === undefined
  })
  if (excluded.length === 0) return event
  return { ...event, instances, excluded: [...event.excluded, ...excluded] }
}
