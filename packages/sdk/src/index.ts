/**
 * Client-side load balancing from HashiCorp Consul: {@link createClient} is where to begin.
 *
 * @module @fairlead/sdk
 */
export type {
  AdaptiveConcurrencyOptions,
  AdmissionOptions,
  AdmissionQueueOptions,
} from './admission/admission-options.js'
export type { AdmissionInspection, ShedReason } from './admission/admission.js'
export { createClient } from './client.js'
export type { Client, ExplainOptions, ServiceDispatcher } from './client-interface.js'
export type { ReadyOptions } from './cluster/readiness.js'
export type {
  BreakerOptions,
  ClientOptions,
  ConnectionOptions,
  RemovalOptions,
  SnapshotOptions,
} from './client-options.js'
export type { AcquireOptions, EndpointLease, ReleaseDetails } from './call/acquire.js'
export type {
  GrpcHealthCheckOptions,
  HealthCheckOptions,
  HealthCheckTiming,
  HttpHealthCheckOptions,
  TcpHealthCheckOptions,
} from './health/health-check-option.js'
export type { CloseOptions } from './call/close.js'
export type { ConsulConnectionOptions, ConsulTlsOptions } from './consul/connection-options.js'
export type { ConsulOptions } from './discovery/consul/options.js'
export type { FailoverTarget } from './discovery/consul/plan.js'
export type { Consistency } from './discovery/consul/question.js'
export type { CallOptions } from './call/call-options.js'
export type { ClientRequestOptions } from './call/request-options.js'
export { validateOptions } from './client-options.js'
export { currentDeadline } from './deadline/current-deadline.js'
export type { Deadline, DeadlineHeader } from './deadline/deadline.js'
export { deadlines } from './deadline/deadlines.js'
export type {
  DeadlineReader,
  DeadlinesOptions,
  DeadlineWrap,
  HookableApp,
  ReceivedRequest,
} from './deadline/deadlines.js'
export type { ReceivedHeaders } from './deadline/deadline-header.js'
export { withDeadline } from './deadline/with-deadline.js'
export type { WithDeadlineOptions } from './deadline/with-deadline.js'
export type { HashPolicyOption } from './hashing/hash-policy-option.js'
export type {
  StickyCookieOptions,
  StickyHeaderOptions,
  StickyOptions,
  StickySecret,
} from './sessions/sticky-options.js'
export type { Caller } from './hashing/request-hasher.js'
export type { KeyHash } from './hashing/key-hash.js'
export { FairleadError } from './errors.js'
export type { FairleadErrorCode, FairleadErrorDetails } from './errors.js'
export type { ServiceFetch } from './fetch/fetch.js'
export type { FetchInit, FetchPolicy } from './fetch/fetch-init.js'
export type { AttemptResult, Classify } from './endpoint/classify.js'
export type { HedgeOptions } from './resilience/hedge-options.js'
export type { RetryOptions, RetryRules } from './resilience/retry-options.js'
export type { PushbackOptions } from './resilience/pushback.js'
export type {
  FailurePercentageEjectionOptions,
  OutlierDetectionOptions,
  SuccessRateEjectionOptions,
} from './resilience/outlier/outlier-options.js'
export type { StallOptions } from './resilience/stall/stall-options.js'
export type { RouteMatch, RouteOptions } from './call/routes-option.js'
export type { Outcome } from './resilience/outcome.js'
export type { DiscoveryEvent, DiscoveryListener } from './observe/discovery-listeners.js'
export type { ComparedEndpoint, SkippedInstance, PickExplanation } from './observe/explain.js'
export type {
  AvailabilityInspection,
  ClientInspection,
  EndpointInspection,
  RetainedInspection,
} from './observe/inspect.js'
export { dnsResolver } from './discovery/dns/resolver.js'
export type { DnsResolverOptions } from './discovery/dns/options.js'
export { fileResolver } from './discovery/file/file-resolver.js'
export type { FileResolverOptions } from './discovery/file/file-resolver.js'
export { fixedResolver } from './discovery/fixed-resolver.js'
export type { InstanceEntry, InstanceFields } from './discovery/instance-entry.js'
export type {
  ExcludedInstance,
  Instance,
  Locality,
  Resolver,
  ResolverEvent,
  Snapshot,
} from './discovery/resolver.js'
export type { HashPolicy, LoadBalancerPolicy, ServerPolicy } from './discovery/server-policy.js'
export { balancers } from './balance/balancers.js'
export type { BalancerName } from './balance/balancers.js'
export { powerOfTwoChoices } from './balance/policies/power-of-two-choices.js'
export { powerOfChoices } from './balance/policies/power-of-choices.js'
export { ringHash } from './balance/keyed/ring-hash.js'
export type { RingHashOptions } from './balance/keyed/ring-hash.js'
export { maglev } from './balance/keyed/maglev.js'
export type { MaglevOptions } from './balance/keyed/maglev.js'
export { weightedLeastRequest } from './balance/policies/least-request-edf.js'
export type { WeightedLeastRequestOptions } from './balance/policies/least-request-edf.js'
export { rendezvous } from './balance/keyed/rendezvous.js'
export type { RendezvousOptions } from './balance/keyed/rendezvous.js'
export { balancerOf } from './balance/server-balancer.js'
export type { ServerBalancer } from './balance/server-balancer.js'
export { BackendLoad } from './orca/backend-load.js'
export { reportedWeights } from './balance/layers/reported-weights.js'
export type { ReportedWeightsOptions } from './balance/layers/reported-weights.js'
export { orcaWeightedRoundRobin } from './balance/policies/orca-weighted-round-robin.js'
export { leastRequest, peakEwma } from './balance/policies/load.js'
export type { Load } from './balance/policies/load.js'
export { compose } from './balance/compose.js'
export { prequal } from './balance/policies/prequal.js'
export type { PrequalOptions } from './balance/policies/prequal.js'
export { subset } from './balance/layers/subset.js'
export type { SubsetOptions } from './balance/layers/subset.js'
export { locality } from './balance/layers/locality.js'
export type { LocalityOptions } from './balance/layers/locality.js'
export { slowStart } from './balance/layers/slow-start.js'
export type { SlowStartOptions } from './balance/layers/slow-start.js'
export { eligible, registeredWeight } from './balance/picker.js'
export type {
  Balancer,
  Candidate,
  Layer,
  PickContext,
  Picker,
  PickReport,
  WeightOf,
} from './balance/picker.js'
export { register } from './registration/register.js'
export type {
  Registration,
  RegistrationInspection,
  RegistrationWaitOptions,
} from './registration/registration.js'
export type { AddressTag, RegisterOptions, TaggedAddress } from './registration/options.js'
export type {
  CheckOptions,
  CheckStatus,
  GrpcCheckOptions,
  HttpCheckOptions,
  TcpCheckOptions,
  TtlCheckOptions,
} from './registration/check-options.js'
export type { DrainOptions } from './registration/drain-options.js'
export type { DrainReport } from './registration/drain.js'
export type { LastError, RegistrationState } from './registration/upkeep.js'
export { gracefulShutdown } from './registration/graceful-shutdown.js'
export type {
  GracefulShutdown,
  GracefulShutdownOptions,
  ShutdownReport,
} from './registration/graceful-shutdown.js'
export type { AnyHttpServer } from './registration/server-traffic.js'
export { loadReporter, reportLoad } from './orca/load-reporter.js'
export type { LoadReporter, LoadReporterOptions } from './orca/load-reporter.js'
export { systemClock } from './clock.js'
export type { Clock, Timer } from './clock.js'
export type { Random } from './random.js'
export type { Logger } from './logger.js'
