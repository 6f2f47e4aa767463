import { readFileSync } from 'node:fs'
import { validateOptions, type StickyOptions } from '@fairlead/sdk'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { parseStickyCookie, type StickyCookie } from './sticky-cookie.js'
import { parseStickyName, stickyOf } from './sticky-name.js'

/** As commander reads them. */
export interface StickyFlags {
  readonly stickyCookie: StickyCookie | undefined
  readonly stickyHeader: string | undefined
  readonly stickySecretFile: readonly string[] | undefined
}

const SECRET = 'FAIRLEAD_STICKY_SECRET'

/** The options of sticky sessions. The secret is not one of them: every user of a machine sees arguments. */
export function addStickyOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--sticky-cookie <cookie>',
        'keep each session on one instance, by a cookie that is set in responses, as below',
      )
        .env('FAIRLEAD_STICKY_COOKIE')
        .conflicts('stickyHeader')
        .argParser(parseStickyCookie),
    )
    .addOption(
      new Option('--sticky-header <name>', 'the same by a header, which the application stores and sends')
        .env('FAIRLEAD_STICKY_HEADER')
        .argParser(parseStickyName),
    )
    .addOption(
      new Option(
        '--sticky-secret-file <path>',
        `secrets that sign sessions, one a line, instead of ${SECRET}`,
      )
        .env('FAIRLEAD_STICKY_SECRET_FILE')
        .argParser(readSecrets),
    )
}

/**
 * @returns `undefined`: no sessions.
 * @throws CommanderError for a name without a secret, a secret without a name, or an invalid secret.
 */
export function stickyFrom(
  command: Command,
  { stickyCookie: cookie, stickyHeader: header, stickySecretFile: fromFile }: StickyFlags,
  environment: Readonly<Record<string, string | undefined>>,
): StickyOptions | undefined {
  const listed = environment[SECRET]
  const secret = fromFile ?? (listed === undefined || listed === '' ? undefined : split(listed, ','))
  const source = fromFile === undefined ? SECRET : '--sticky-secret-file'
  if (fromFile !== undefined && listed !== undefined && listed !== '') {
    command.error(`error: ${SECRET} and --sticky-secret-file are both set: remove one of them`)
  }
  if (cookie === undefined && header === undefined) {
    if (secret === undefined) return undefined
    command.error(
      `error: ${source} is set without --sticky-cookie or --sticky-header: set one of them, or remove the secret`,
    )
  }
  const name = cookie === undefined ? '--sticky-header' : '--sticky-cookie'
  if (secret === undefined) {
    command.error(`error: ${name} needs a secret: set ${SECRET}, or --sticky-secret-file <path>`)
  }
  const sticky: StickyOptions = header === undefined ? { cookie: '', ...cookie, secret } : { header, secret }
  try {
    validateOptions({ sticky: stickyOf(sticky, 'any') })
  } catch (error) {
    command.error(`error: ${name}, signed by ${source}: ${(error as Error).message}`)
  }
  return sticky
}

function readSecrets(path: string): readonly string[] {
  try {
    return split(readFileSync(path, 'utf8'), /\r?\n/)
  } catch (error) {
    throw new InvalidArgumentError(`It cannot be read: ${(error as Error).message}.`)
  }
}

function split(text: string, separator: string | RegExp): readonly string[] {
  return text
    .split(separator)
    .map((each) => each.trim())
    .filter((each) => each !== '')
}
