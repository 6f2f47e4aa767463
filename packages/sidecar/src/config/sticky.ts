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

/** The options that sessions are asked for with. The secret is none of them: all users of a machine see arguments. */
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
      new Option('--sticky-header <name>', 'the same by a header, which the application keeps and sends')
        .env('FAIRLEAD_STICKY_HEADER')
        .argParser(parseStickyName),
    )
    .addOption(
      new Option('--sticky-secret-file <path>', `what signs sessions, one a line, in place of ${SECRET}`)
        .env('FAIRLEAD_STICKY_SECRET_FILE')
        .argParser(readSecrets),
    )
}

/**
 * @returns `undefined`: no request has a session.
 * @throws CommanderError when a name lacks its secret or the other way round, or when a secret is no good.
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
    command.error(`error: ${SECRET} and --sticky-secret-file are both given: take one of them out`)
  }
  if (cookie === undefined && header === undefined) {
    if (secret === undefined) return undefined
    command.error(`error: ${source} is given, but neither --sticky-cookie nor --sticky-header`)
  }
  const name = cookie === undefined ? '--sticky-header' : '--sticky-cookie'
  if (secret === undefined) {
    command.error(`error: ${name} needs a secret: ${SECRET}, or --sticky-secret-file <path>`)
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
