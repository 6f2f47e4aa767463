import { isIPv6 } from 'node:net'
import type { CheckStatus, ParsedCheck } from './check-options.js'
import type { RegisterSettings } from './options.js'
import { OWNER_META } from '../discovery/owner-meta.js'

/** A check under the id that it has on the agent. */
export interface NamedCheck {
  readonly id: string
  readonly check: ParsedCheck
}

/** The checks of an instance, each with its id: those that Consul would give them. */
export function namedChecks({ id, checks }: Pick<RegisterSettings, 'id' | 'checks'>): readonly NamedCheck[] {
  return checks.map((check, index) => ({
    id: check.id ?? (checks.length === 1 ? `service:${id}` : `service:${id}:${index + 1}`),
    check,
  }))
}

/**
 * An instance as `PUT /v1/agent/service/register` takes it. Pure. Fields without a value are omitted: an agent
 * rejects a field that it does not know, so that one from a newer Consul must not be there unless it is configured.
 *
 * @param owner Whose registration it is.
 * @param statusOf What each check begins with.
 */
export function serviceDefinition(
  settings: RegisterSettings,
  owner: string,
  statusOf: (check: NamedCheck) => CheckStatus,
): object {
  const { name, port, id, address, weights, tags, meta, taggedAddresses, enableTagOverride } = settings
  return {
    ID: id,
    Name: name,
    Port: port,
    Address: address,
    Tags: tags,
    Meta: { ...meta, [OWNER_META]: owner },
    Weights: { Passing: weights.passing, Warning: weights.warning },
    TaggedAddresses:
      taggedAddresses &&
      Object.fromEntries(
        Object.entries(taggedAddresses).flatMap(([tag, other]) =>
          other === undefined ? [] : [[tag, { Address: other.address, Port: other.port ?? port }]],
        ),
      ),
    EnableTagOverride: enableTagOverride,
    Checks: namedChecks(settings).map((check) => checkDefinition(check, settings, statusOf(check))),
  }
}

function checkDefinition({ id, check }: NamedCheck, settings: RegisterSettings, status: CheckStatus): object {
  const { deregisterCriticalServiceAfterMs: deregisterMs } = settings
  return {
    CheckID: id,
    Name: check.name ?? nameOf(check, settings),
    Notes: check.notes,
    Status: status,
    DeregisterCriticalServiceAfter: deregisterMs === false ? undefined : duration(deregisterMs),
    ...(check.kind === 'ttl' ? { TTL: duration(check.ttlMs) } : probe(check)),
    ...kindOf(check, settings),
  }
}

function probe(check: Exclude<ParsedCheck, { kind: 'ttl' }>): object {
  const { intervalMs, timeoutMs, successBeforePassing, failuresBeforeCritical } = check
  return {
    Interval: duration(intervalMs),
    // Consul's own 10 s, but no look is still on its way when the next one begins.
    Timeout: duration(timeoutMs ?? Math.min(10_000, intervalMs)),
    SuccessBeforePassing: successBeforePassing,
    FailuresBeforeCritical: failuresBeforeCritical,
  }
}

function kindOf(check: ParsedCheck, settings: RegisterSettings): object {
  switch (check.kind) {
    case 'ttl':
      return {}
    case 'http':
      return {
        HTTP: urlOf(check, settings),
        Method: check.method,
        Header:
          check.headers &&
          Object.fromEntries(
            Object.entries(check.headers).map(([header, value]) => [header, [value].flat()]),
          ),
        Body: check.body,
        TLSSkipVerify: check.tlsSkipVerify,
        TLSServerName: check.tlsServerName,
      }
    case 'tcp':
      return { TCP: check.address ?? ownAddress(settings) }
    case 'grpc':
      return {
        GRPC: grpcTarget(check, settings),
        GRPCUseTLS: check.tls,
        TLSSkipVerify: check.tlsSkipVerify,
      }
  }
}

function nameOf(check: ParsedCheck, settings: RegisterSettings): string {
  switch (check.kind) {
    case 'ttl':
      return `heartbeat of ${settings.id}`
    case 'http':
      return `${check.method ?? 'GET'} ${urlOf(check, settings)}`
    case 'tcp':
      return `TCP ${check.address ?? ownAddress(settings)}`
    case 'grpc':
      return `gRPC ${grpcTarget(check, settings)}`
  }
}

function urlOf({ url }: { readonly url: string }, settings: RegisterSettings): string {
  return url.startsWith('/') ? `http://${ownAddress(settings)}${url}` : url
}

function grpcTarget(
  { address, service }: { readonly address?: string | undefined; readonly service?: string | undefined },
  settings: RegisterSettings,
): string {
  const target = address ?? ownAddress(settings)
  return service === undefined ? target : `${target}/${service}`
}

/** Where the instance is, for an agent of the same machine. */
function ownAddress({ address = '127.0.0.1', port }: RegisterSettings): string {
  return `${isIPv6(address) ? `[${address}]` : address}:${port}`
}

/** As Go reads it. */
function duration(ms: number): string {
  return `${ms}ms`
}
