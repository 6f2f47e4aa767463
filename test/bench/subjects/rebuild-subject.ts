import { registeredWeight } from '@fairlead/sdk'
import type { Balancer } from '@fairlead/sdk'
import { seededRandom } from '@fairlead/sdk/testing'
import { liveEndpoints, reportLoads, type EndpointsArgument, type LiveEndpoint } from './live-endpoints.js'
import { policyNamed } from './policies.js'
import { argument, serve } from './serve.js'

export interface RebuildArgument extends EndpointsArgument {
  readonly policy: string
  /**
   * What a build differs by from the one before. `nothing`: the policy keeps what it can. `policy`: it is a new one that
   * has kept nothing. `endpoint`: another endpoint has come in place of one.
   */
  readonly changed: 'nothing' | 'policy' | 'endpoint'
}

export interface RebuildOrder {
  readonly times: number
}

const { policy, changed, size, weights } = argument() as RebuildArgument
const random = seededRandom(1)
const all = await liveEndpoints({ size: changed === 'endpoint' ? size + 1 : size, weights })
reportLoads(all)
let balancer: Balancer = policyNamed(policy)
let builds = 0
let last: unknown

/** Milliseconds: of CPU or by the clock, whichever is less, as the one has other threads in it, and the other others. */
function build(): number {
  if (changed === 'policy') balancer = policyNamed(policy)
  const endpoints = members()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  last = balancer(endpoints, random, registeredWeight)
  const elapsedMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  if (last === undefined) throw new Error('nothing was built')
  return Math.min(elapsedMs, (user + system) / 1000)
}

/** Each time another one is missing, so that one has come and one has gone. */
function members(): readonly LiveEndpoint[] {
  const missing = changed === 'endpoint' ? builds++ % all.length : -1
  return all.filter((_, place) => place !== missing)
}

serve((order) => Array.from({ length: (order as RebuildOrder).times }, build))
