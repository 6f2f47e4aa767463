import { inspect } from 'node:util'

/**
 * What `console.log` and `JSON.stringify` show of an object, instead of the insides of undici. As properties of its own,
 * which are bound: undici's `compose` makes a Proxy of a dispatcher, and that has no private members.
 */
export function summarize(target: object, name: string, summary: () => object): void {
  Object.defineProperty(target, 'toJSON', { value: summary })
  Object.defineProperty(target, inspect.custom, {
    value: () => `${name} ${inspect(summary(), { breakLength: Infinity })}`,
  })
}
