import { hostname } from 'node:os'
import {
  compose,
  locality,
  slowStart,
  subset,
  type Balancer,
  type BalancerName,
  type Layer,
  type SubsetOptions,
} from '@fairlead/sdk'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { LONGEST_MS, wholeNumber } from './whole-number.js'

/** What stands before the balancer; all of it may be missing. */
export interface LayerSettings {
  readonly subset: SubsetOptions | undefined
  readonly zone: string | undefined
  readonly slowStartMs: number | undefined
}

/** As commander reads them. */
export interface LayerFlags {
  readonly subset: number | undefined
  readonly subsetClient: SubsetClient | undefined
  readonly zone: string | undefined
  readonly slowStart: number | undefined
}

interface SubsetClient {
  readonly index: number
  readonly of: number
}

export function addLayerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--zone <name>', 'stay in this zone, as far as it has the capacity, as below').env(
        'FAIRLEAD_ZONE',
      ),
    )
    .addOption(
      new Option('--subset <size>', 'use so many instances of each service, as below')
        .env('FAIRLEAD_SUBSET')
        .argParser(wholeNumber(1, 1_000_000)),
    )
    .addOption(
      new Option(
        '--subset-client <index/of>',
        "which of how many clients this is (default: by the host's name)",
      )
        .env('FAIRLEAD_SUBSET_CLIENT')
        .argParser(parseSubsetClient),
    )
    .addOption(
      new Option('--slow-start <ms>', 'how long an instance that is new gets less than its share, as below')
        .env('FAIRLEAD_SLOW_START')
        .argParser(wholeNumber(1, LONGEST_MS)),
    )
    .addOption(
      new Option(
        '--panic-threshold <share>',
        'with a smaller share of usable instances all that Consul calls healthy are used; 0: never',
      )
        .env('FAIRLEAD_PANIC_THRESHOLD')
        .default(0.5)
        .argParser(parseShare),
    )
}

/** @throws CommanderError when it is said which client this is, but not of how many instances. */
export function layersFrom(command: Command, flags: LayerFlags): LayerSettings {
  const { subset: size, subsetClient, zone, slowStart: slowStartMs } = flags
  if (zone === '') command.error('error: --zone is empty: it must be the name of a zone')
  if (size === undefined && subsetClient !== undefined) {
    command.error('error: --subset-client is given, but not --subset: say how many instances to use')
  }
  const subsetOptions =
    size === undefined
      ? undefined
      : subsetClient === undefined
        ? { size, id: hostname() }
        : { size, ...subsetClient }
  return { subset: subsetOptions, zone, slowStartMs }
}

/** Without layers the balancer as it is; undefined: what Consul's service-resolver says. */
export function layered(
  { subset: subsetOptions, zone, slowStartMs }: LayerSettings,
  balancer: BalancerName | undefined,
): Balancer | BalancerName | undefined {
  const layers: Layer[] = []
  if (subsetOptions !== undefined) layers.push(subset(subsetOptions))
  if (zone !== undefined) layers.push(locality({ zone }))
  if (slowStartMs !== undefined) layers.push(slowStart({ windowMs: slowStartMs }))
  return layers.length === 0 ? balancer : compose(...layers, balancer ?? 'peak_ewma')
}

function parseSubsetClient(value: string): SubsetClient {
  const [, index = '', of = ''] = /^(\d{1,9})\/(\d{1,9})$/.exec(value) ?? []
  if (of !== '' && Number(of) > 0 && Number(index) < Number(of))
    return { index: Number(index), of: Number(of) }
  throw new InvalidArgumentError('It must be index/of, such as 0/300 for the first of 300.')
}

function parseShare(value: string): number {
  if (/^(0|1|[01]?\.\d+)$/.test(value) && Number(value) <= 1) return Number(value)
  throw new InvalidArgumentError('It must be a number from 0 to 1.')
}
