import { inspect, types } from 'node:util'
import { FairleadError } from '../errors.js'
import { shown } from './invalid-option.js'

/** Keys and indexes that lead into a value. */
export type Path = readonly (string | number)[]

/** What is read here of valibot's issues. */
export interface Issue {
  readonly message: string
  readonly input: unknown
  readonly received: string
  readonly expected: string | null
  readonly path?: readonly { readonly key: unknown }[] | undefined
  readonly issues?: readonly Issue[] | undefined
}

/** What an error of ours must not put into a log. */
const SECRET = /(^|\.)(token|basicAuth|secret|tls\.(key|passphrase|pfx|session|ticketKeys))$/

/** valibot's first issue as an error. `root`: what the checked value as a whole is called. */
export function validationError(issue: Issue, root: string, path: Path = pathOf(issue)): FairleadError {
  return new FairleadError('INVALID_OPTION', complaint(issue, path, root))
}

/** A secret for a message to people. */
export function hidden(secret: string): string {
  return `text of ${secret.length} characters`
}

/** An issue as one sentence with path, value and fix; of a union, what the branch for objects says. */
export function complaint(issue: Issue, path: Path, root: string): string {
  const found = branchOf(issue) ?? issue
  const name = nameOf(path) || root
  // The message is the hint of the schema, from `group`.
  if (found.expected === 'never')
    return `unknown option ${name}: remove it or check its spelling${found.message}`
  // A key that is not there has its own name as what was expected, in quotes.
  if (found.received === 'undefined' && found.expected?.startsWith('"') === true)
    return `${name} is missing: ${isValibots(found) ? 'add it' : `it must be ${found.message}`}`
  return `${name} is ${withoutSecrets(name, found.input)}: it must be ${found.message}`
}

/** A value for a message, without what it, or a field of it, must not put into a log. */
function withoutSecrets(name: string, input: unknown): string {
  if (SECRET.test(name)) return describeSecret(input)
  if (typeof input !== 'object' || input === null) return shown(input)
  // It shows its values by itself.
  if (types.isMap(input)) return 'a Map'
  if (types.isProxy(input)) return shown(input)
  if (!Object.keys(input).some((key) => SECRET.test(`${name}.${key}`))) return shown(input)
  return shown(
    Object.fromEntries(
      Object.entries(input).map(([key, value]) => [
        key,
        SECRET.test(`${name}.${key}`)
          ? { [inspect.custom]: () => describeSecret(value) }
          : (value as unknown),
      ]),
    ),
  )
}

function describeSecret(value: unknown): string {
  if (typeof value === 'string') return hidden(value)
  // What its schema has described already.
  if (typeof value === 'object' && value !== null && inspect.custom in value) return shown(value)
  return typeof value === 'object' && value !== null ? 'an object' : shown(value)
}

/** Where in the checked value the issue is. */
export function pathOf(issue: Issue): Path {
  return [...(issue.path ?? []), ...(branchOf(issue)?.path ?? [])].map(({ key }) =>
    typeof key === 'number' ? key : String(key),
  )
}

/** Of a union; undefined where none says more than the union does. */
function branchOf(issue: Issue): Issue | undefined {
  return issue.issues?.find((branch) => branch.path !== undefined && !isValibots(branch))
}

/** Has its schema no words of ours? valibot's tell what it saw, and not what to write. */
function isValibots({ message }: Issue): boolean {
  return /^Invalid [\w ]+: /.test(message)
}

function nameOf(path: Path): string {
  return path.reduce<string>((name, key) => {
    if (typeof key === 'number') return `${name}[${key}]`
    return name === '' ? key : `${name}.${key}`
  }, '')
}
