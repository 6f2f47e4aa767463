import { InvalidArgumentError } from 'commander'

/** Adds the names of one value, separated by commas, to those of the values before it. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  const names = value.split(',').map((name) => name.trim())
  if (!names.includes('')) return [...before, ...names]
  throw new InvalidArgumentError('It must be a name, or several separated by commas.')
}

/** The same for host names, each with or without a dot in front. */
export function collectHosts(value: string, before: readonly string[]): readonly string[] {
  const names = collect(value, before)
  const wrong = names.find((name) => !HOST_NAME.test(name))
  if (wrong === undefined) return names
  throw new InvalidArgumentError(
    `It must be a host name without a port, such as proxy.example.com, or .example.com for all its subdomains, not ${JSON.stringify(wrong)}.`,
  )
}

// RFC 1123, 2.1, and the underscore, which is common.
const HOST_NAME = /^\.?[\w-]+(?:\.[\w-]+)*$/
