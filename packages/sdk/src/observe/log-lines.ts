import { reasonOf } from '../errors.js'
import { few } from '../logger.js'
import type { FairleadEvent } from './events.js'

/** One line of the log: of what level, what it says, and with which fields. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: object
}

type EventOf<T extends FairleadEvent['type']> = Extract<FairleadEvent, { readonly type: T }>
type Lines = { readonly [T in FairleadEvent['type']]: ((event: EventOf<T>) => LogLine) | undefined }

/**
 * What people read of each event: what happened, to whom, and what happens next. `undefined`: nothing.
 * The catalogue in docs/log-lines.md is made of this table and of the documentation of the events.
 */
export const LOG_LINES: Lines = {
  'discovery:answered': ({ service, resolver, instances, excluded, suspect }) =>
    debugLine({ service, instances, excluded, suspect }, `${resolver} answered`),
  'discovery:failed': ({ service, instances, before, error }) =>
    warnLine(
      { service, instances, reason: reasonOf(error) },
      before === 'waiting'
        ? 'discovery failed before its first answer; requests wait; retrying'
        : 'discovery failed; serving the last known instances; retrying',
    ),
  'discovery:recovered': ({ service, resolver, instances }) =>
    infoLine({ service, instances }, `${resolver} answers again`),
  'discovery:restored': ({ service, instances, savedAt }) =>
    warnLine(
      { service, instances, savedAt: new Date(savedAt).toISOString() },
      'discovery has not answered; serving the instances that were last saved; retrying',
    ),
  'discovery:invalid': ({ service, resolver, error }) =>
    errorLine(
      { service, reason: reasonOf(error) },
      `${resolver} gave a set that cannot be used; serving the last known instances`,
    ),
  'discovery:idle': ({ service, idleMs }) =>
    infoLine({ service, idleMs }, 'no request within idleMs; the watch stops until the next request'),
  'discovery:empty': ({ service, reason }) =>
    warnLine(
      { service, code: 'NO_ENDPOINTS', reason },
      `${service} has no instance; requests fail with NO_ENDPOINTS until there is one; check that the name is spelt as it is registered`,
    ),
  'discovery:save-failed': ({ file, error }) =>
    warnLine(
      { file, reason: reasonOf(error) },
      'saving the set of instances failed; a start without discovery will not have it',
    ),
  'discovery:exclude-failed': ({ service, instances, reason }) =>
    errorLine(
      { service, instances: few(instances, (key) => key), reason },
      'option exclude failed; using the instances that it failed for',
    ),
  'discovery:unknown-policy': ({ service, policy }) =>
    warnLine(
      { service, policy },
      "Consul's service-resolver names a load balancer that is not supported; using peak_ewma",
    ),
  'cluster:changed': ({ service, instances, added, removed, excluded }) =>
    infoLine({ service, instances, added, removed, excluded }, 'instances changed'),
  'cluster:updated': undefined,
  'cluster:panic': ({ service, priorities }) =>
    priorities.length > 0
      ? warnLine(
          { service, priorities },
          'panic: too few endpoints are available; balancing over all that discovery calls healthy',
        )
      : infoLine({ service, priorities }, 'panic is over: enough endpoints are available'),
  'cluster:balancer-failed': ({ service, during, error }) => {
    const fields = { service, during, reason: reasonOf(error) }
    if (during === 'pick')
      return errorLine(
        fields,
        'the balancer threw in pick(); the requests that it throws for fail; not logged again until the set changes',
      )
    if (during === 'refresh')
      return errorLine(
        fields,
        'the balancer threw in refresh(); it goes on picking, and is not refreshed again until the set changes',
      )
    if (during === 'close')
      return errorLine(fields, 'the balancer threw in close(); its picker is no longer used all the same')
    return errorLine(fields, 'the balancer threw; requests fail until the set changes')
  },
  'retained:begun': ({ service, instances, retained, reason }) =>
    warnLine(
      { service, instances, retained, reason },
      'instances are no longer listed, which is suspect; retaining them for a while',
    ),
  'retained:confirmed': ({ service, endpoint }) =>
    warnLine({ service, endpoint }, 'an instance that is no longer listed answers; retaining it'),
  'retained:unreachable': ({ service, endpoint, reason }) =>
    warnLine({ service, endpoint, reason }, 'a retained instance cannot be reached; removed'),
  'retained:expired': ({ service, removed }) =>
    warnLine({ service, removed }, 'retained instances are still not listed; removed'),
  'retained:returned': ({ service, returned }) =>
    infoLine({ service, returned }, 'retained instances are listed again'),
  'retained:released': ({ service, removed }) =>
    infoLine(
      { service, removed },
      'retained instances are not listed in an answer that is not suspect; removed',
    ),
  'endpoint:availability': ({ service, endpoint, reason, state, untilMs }) => {
    const fields = { service, endpoint, reason, availability: state, untilMs }
    if (state === 'unavailable')
      return warnLine(fields, `endpoint unavailable (${reason}); requests go elsewhere`)
    return infoLine(
      fields,
      state === 'available'
        ? `endpoint available again (${reason} is over)`
        : `endpoint half open (${reason}); one request at a time probes it`,
    )
  },
  'endpoint:health-check-failed': ({ service, endpoint, why }) =>
    warnLine({ service, endpoint, reason: why }, 'an active health check failed'),
  'endpoint:unknown-parser': ({ service, misfit }) =>
    warnLine(
      { service, misfit },
      `undici is of a release that Fairlead does not know (${misfit}); it parses responses by itself, and a body that is cut by a reset may pass as whole; install the undici that Fairlead was released with`,
    ),
  'endpoint:observer-failed': ({ service, error }) =>
    errorLine(
      { service, reason: reasonOf(error) },
      'an observer of load or load reports (onLoadChange, onReport of the balancer) threw; requests go on',
    ),
  'endpoint:classify-failed': ({ service, error }) =>
    errorLine(
      { service, reason: reasonOf(error) },
      'option classify failed; outcomes are classified by default where it does',
    ),
  'call:start': undefined,
  'call:end': undefined,
  'attempt:start': ({ service, endpoint, method, path }) =>
    debugLine({ service, endpoint, method, path }, 'endpoint picked'),
  'attempt:answered': undefined,
  'attempt:end': undefined,
  'attempt:failed': ({ service, endpoint, method, path, error, final }) =>
    debugLine(
      { service, endpoint, method, path, reason: reasonOf(error) },
      `attempt failed; ${final === undefined ? 'trying another endpoint' : `not tried again: ${final.text}`}`,
    ),
  'admission:shedding': ({ service, reason, shed, limit, inflight, queued }) =>
    warnLine(
      { service, code: 'OVERLOADED', reason, shed, limit, inflight, queued },
      'more requests than admission lets through; shedding the least important with OVERLOADED',
    ),
  'client:close-timeout': ({ service, requests, timeoutMs }) =>
    warnLine(
      { service, requests, timeoutMs },
      'close() has reached its time limit; aborting the requests in flight',
    ),
  'client:listener-failed': ({ service, listener, error }) =>
    errorLine(
      { service, reason: reasonOf(error) },
      listener === 'onDiscovery'
        ? 'a listener of onDiscovery threw; the others are called all the same'
        : 'an event subscriber threw; the others hear of the event all the same',
    ),
  'registration:registered': ({ service, id }) => infoLine({ service, id }, 'registered'),
  'registration:recovered': ({ service, id, agent }) => infoLine({ service, id }, `${agent} answers again`),
  'registration:forgotten': ({ service, id, error }) =>
    warnLine({ service, id }, `${error.message}; registering the instance again`),
  'registration:superseded': ({ service, id }) =>
    warnLine(
      { service, id },
      'another process has registered under this id; leaving the registration to it; give each process an id of its own (option id) where both are to serve',
    ),
  'registration:resumed': ({ service, id }) =>
    infoLine({ service, id }, 'the other process has left; registering the instance again'),
  'registration:failed': ({ service, id, error, before, refused }) => {
    const fields = { service, id, reason: reasonOf(error) }
    const message = before
      ? 'keeping the instance registered failed; retrying'
      : 'registering the instance failed; clients do not see it until that succeeds; retrying'
    // What the agent refuses it may take later, with other ACLs or another version; but a person has to see to that.
    return refused ? errorLine(fields, message) : warnLine(fields, message)
  },
  'registration:drain-unconfirmed': ({ service, id, confirmMs }) =>
    warnLine(
      { service, id, confirmMs },
      'Consul has not shown the drain to clients within confirmMs; draining all the same; some may send requests until the instance is deregistered',
    ),
  'registration:drain-timeout': ({ service, id, deadlineMs }) =>
    warnLine(
      { service, id, deadlineMs },
      'the drain has not finished within deadlineMs; deregistering the instance all the same',
    ),
  'registration:deregister-failed': ({ service, id, error, afterMs }) =>
    warnLine(
      { service, id, reason: reasonOf(error) },
      afterMs === false
        ? `deregistering the instance failed; it stays in Consul until someone removes it: consul services deregister -id ${id}`
        : `deregistering the instance failed; Consul removes it once it has been critical for ${afterMs} ms (deregisterCriticalServiceAfterMs)`,
    ),
  'shutdown:signal': ({ signal }) =>
    infoLine({ signal }, 'shutting down; a second signal ends the process at once'),
  'shutdown:aborted': ({ inflight, deadlineMs }) =>
    warnLine(
      { inflight, deadlineMs },
      'requests have not finished by the deadline of the shutdown; aborting them',
    ),
  'shutdown:hook-late': ({ deadlineMs }) =>
    warnLine({ deadlineMs }, 'onSignal has not ended within deadlineMs; the shutdown goes on without it'),
  'shutdown:hook-failed': ({ hook, error }) =>
    errorLine({ reason: reasonOf(error) }, `${hook} failed; the shutdown goes on`),
  'shutdown:failed': ({ error }) =>
    errorLine({ reason: reasonOf(error) }, 'the shutdown failed; ending the process all the same'),
}

function debugLine(fields: object, message: string): LogLine {
  return { level: 'debug', message, fields }
}

function infoLine(fields: object, message: string): LogLine {
  return { level: 'info', message, fields }
}

function warnLine(fields: object, message: string): LogLine {
  return { level: 'warn', message, fields }
}

function errorLine(fields: object, message: string): LogLine {
  return { level: 'error', message, fields }
}
