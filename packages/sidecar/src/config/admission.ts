import type { AdmissionOptions } from '@fairlead/sdk'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { MAX_TIMEOUT_MS, wholeNumber } from './whole-number.js'

/** As commander reads them. */
export interface AdmissionFlags {
  readonly maxConcurrent: number | 'adaptive' | undefined
  readonly queueMax: number | undefined
  readonly queueTimeout: number | undefined
  readonly priorityHeader: string | undefined
}

const MOST = 1_000_000

/** The limit of requests in flight, for each service. */
export function addAdmissionOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--max-concurrent <limit>',
        'requests in flight to a service at most, or adaptive: as its latency allows, 20 to 200 (default: no limit)',
      )
        .env('FAIRLEAD_MAX_CONCURRENT')
        .argParser(parseLimit),
    )
    .addOption(
      new Option(
        '--queue-max <n>',
        'how many more may wait, before the least important fails (default: 1024)',
      )
        .env('FAIRLEAD_QUEUE_MAX')
        .argParser(wholeNumber(0, MOST)),
    )
    .addOption(
      new Option('--queue-timeout <ms>', 'how long a request may wait to be sent (default: 3000)')
        .env('FAIRLEAD_QUEUE_TIMEOUT')
        .argParser(wholeNumber(1, MAX_TIMEOUT_MS)),
    )
    .addOption(
      new Option(
        '--priority-header <name>',
        'the header that says how important a request is, 0 (most) to 7, alone or as u=N (default: all are equal)',
      )
        .env('FAIRLEAD_PRIORITY_HEADER')
        .argParser(parseHeaderName),
    )
}

/**
 * @returns `undefined`: no limit.
 * @throws CommanderError for a flag of a queue that there is not.
 */
export function admissionFrom(command: Command, flags: AdmissionFlags): AdmissionOptions | undefined {
  const { maxConcurrent, queueMax: max, queueTimeout: timeoutMs, priorityHeader } = flags
  if (maxConcurrent === undefined) {
    const useless = Object.entries({
      '--queue-max': max,
      '--queue-timeout': timeoutMs,
      '--priority-header': priorityHeader,
    }).find(([, value]) => value !== undefined)
    if (useless !== undefined)
      command.error(
        `error: ${useless[0]} is set without --max-concurrent, and nothing is queued: set a limit, or remove it`,
      )
    return undefined
  }
  const limit = maxConcurrent === 'adaptive' ? { adaptive: true } : { maxConcurrent }
  return { ...limit, queue: { max, timeoutMs }, priorityHeader }
}

function parseLimit(value: string): number | 'adaptive' {
  if (value === 'adaptive') return value
  const number = Number(value)
  if (/^\d+$/.test(value) && number >= 1 && number <= MOST) return number
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${MOST}, or adaptive.`)
}

function parseHeaderName(value: string): string {
  // RFC 9110, 5.6.2.
  if (/^[\w!#$%&'*+.^`|~-]+$/.test(value)) return value
  throw new InvalidArgumentError('It must be the name of a header, such as priority.')
}
