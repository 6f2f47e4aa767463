import type { NotRetried } from '../resilience/not-retried.js'
import type { Outcome } from '../resilience/outcome.js'
import { asError } from '../errors.js'
import type { Instance } from '../discovery/resolver.js'

/**
 * All that Fairlead has to tell of itself, in one union: plain data, published where it happens, heard by the log, by
 * `onDiscovery` and by whatever else subscribes. A new event is a member here, one line where it happens, and one line in
 * `log-lines.ts` if people are to read of it.
 */
export type FairleadEvent =
  DiscoveryNews | EndpointNews | TrafficNews | AdmissionNews | ClientNews | RegistrationNews | ShutdownNews

/** How far the set of instances can be trusted. */
export type Freshness =
  /** No answer yet; `cause` says why, once asking has failed. */
  | { readonly kind: 'waiting'; readonly cause: Error | undefined }
  | { readonly kind: 'fresh'; readonly cause?: undefined }
  /** The last known set still serves. `since`: milliseconds of the clock. */
  | { readonly kind: 'stale'; readonly since: number; readonly cause: Error | undefined }
  /** A set that was saved serves, as discovery has not answered. `savedAt`: Unix milliseconds. */
  | { readonly kind: 'disk'; readonly savedAt: number; readonly cause: Error | undefined }

/** What has changed in the endpoints of a service. */
export interface ClusterChange {
  readonly freshness: Freshness
  /** Why the last answer is suspect; undefined: it is not. */
  readonly suspect: string | undefined
  readonly instances: readonly Instance[]
  /** Retained although no longer listed. */
  readonly retained: readonly Instance[]
  /** To and from `instances` and `retained` together. */
  readonly added: readonly Instance[]
  readonly removed: readonly Instance[]
}

/** In what a balancer threw: its own call, or that of a method of its picker. */
export type BalancerStep = 'build' | 'pick' | 'refresh' | 'close'

interface OfService {
  /** The name in Consul. */
  readonly service: string
}

interface OfResolver extends OfService {
  /** Where instances come from, for people. */
  readonly resolver: string
}

/** What discovery says, and what becomes of it. */
type DiscoveryNews =
  /** An answer has been taken in. */
  | (OfResolver & {
      readonly type: 'discovery:answered'
      readonly instances: number
      readonly excluded: number
      readonly suspect: string | undefined
    })
  /** The first failure of an outage. `before`: what there was until then. */
  | (OfResolver & {
      readonly type: 'discovery:failed'
      readonly before: 'waiting' | 'fresh'
      readonly instances: number
      readonly error: Error
    })
  /** The end of an outage. */
  | (OfResolver & { readonly type: 'discovery:recovered'; readonly instances: number })
  /** No answer at the start: a set from disk serves. `savedAt`: Unix milliseconds. */
  | (OfService & {
      readonly type: 'discovery:restored'
      readonly instances: number
      readonly savedAt: number
    })
  /** A resolver gave what is not a set. */
  | (OfResolver & { readonly type: 'discovery:invalid'; readonly error: Error })
  /** No request for `idleMs`: the watch has stopped. */
  | (OfService & { readonly type: 'discovery:idle'; readonly idleMs: number })
  /** No instance to send requests to. */
  | (OfService & { readonly type: 'discovery:empty'; readonly reason: string })
  /** The set could not be written to disk. */
  | { readonly type: 'discovery:save-failed'; readonly file: string; readonly error: Error }
  /** The user's `exclude` threw. `instances`: the keys that it threw for. */
  | (OfService & {
      readonly type: 'discovery:exclude-failed'
      readonly instances: readonly string[]
      readonly reason: string
    })
  /** The registry asks for a load balancer that is not known here. */
  | (OfService & { readonly type: 'discovery:unknown-policy'; readonly policy: string })
  /** The set of endpoints is another one. `added`, `removed`: addresses; `excluded`: keys and reasons. */
  | (OfService & {
      readonly type: 'cluster:changed'
      readonly instances: number
      readonly added: readonly string[]
      readonly removed: readonly string[]
      readonly excluded: readonly string[]
    })
  /** Something that `onDiscovery` tells of has changed. */
  | (OfService & { readonly type: 'cluster:updated'; readonly change: ClusterChange })
  /** Which priorities are in panic has changed; empty: none is any more. */
  | (OfService & { readonly type: 'cluster:panic'; readonly priorities: readonly number[] })
  /** A balancer threw, or a picker that it made; told once a set for each step that throws. */
  | (OfService & {
      readonly type: 'cluster:balancer-failed'
      readonly during: BalancerStep
      readonly error: Error
    })
  /** Instances are retained although no longer listed. */
  | (OfService & {
      readonly type: 'retained:begun'
      readonly instances: number
      readonly retained: readonly string[]
      readonly reason: string
    })
  /** A retained endpoint has answered. */
  | (OfService & { readonly type: 'retained:confirmed'; readonly endpoint: string })
  /** A retained endpoint cannot be reached. */
  | (OfService & {
      readonly type: 'retained:unreachable'
      readonly endpoint: string
      readonly reason: string
    })
  /** Retained for as long as may be, and not listed again. */
  | (OfService & { readonly type: 'retained:expired'; readonly removed: readonly string[] })
  /** Listed again. */
  | (OfService & { readonly type: 'retained:returned'; readonly returned: readonly string[] })
  /** An answer that is not suspect does not list them either. */
  | (OfService & { readonly type: 'retained:released'; readonly removed: readonly string[] })

/** What becomes of endpoints. */
type EndpointNews =
  /**
   * The availability of an endpoint has changed. `unavailable`: it gets no requests; `probing`: one at a time, to find
   * out; `available`: it is back. `untilMs`: how long, in milliseconds, where that is known.
   */
  | (OfService & {
      readonly type: 'endpoint:availability'
      readonly endpoint: string
      readonly reason: string
      readonly state: 'available' | 'probing' | 'unavailable'
      readonly untilMs: number | undefined
    })
  /** An active health check has found an endpoint unhealthy; it is made unavailable by that. `why`: for people. */
  | (OfService & {
      readonly type: 'endpoint:health-check-failed'
      readonly endpoint: string
      readonly why: string
    })
  /** undici is of a release that is not known here. */
  | (OfService & { readonly type: 'endpoint:unknown-parser'; readonly misfit: string })
  /** What a balancer gave to `onLoadChange` or `onReport` threw; told once for a client. */
  | (OfService & { readonly type: 'endpoint:observer-failed'; readonly error: Error })
  /** The option `classify` threw, or returned what is no outcome; told once for a client. */
  | (OfService & { readonly type: 'endpoint:classify-failed'; readonly error: Error })

/** What becomes of each call: published only while `Events.traced`. */
type TrafficNews =
  | (OfCall & { readonly type: 'call:start' })
  /** `attempts`: how many were made. `error`: what the caller got; undefined: a whole response, or an upgrade. */
  | (OfCall & {
      readonly type: 'call:end'
      readonly attempts: number
      readonly error: Error | undefined
    })
  | (OfAttempt & { readonly type: 'attempt:start' })
  /** The head of its response has come, and is the call's. */
  | (OfAttempt & { readonly type: 'attempt:answered'; readonly statusCode: number })
  /** The end of each that was started, with its body or however else. */
  | (OfAttempt & { readonly type: 'attempt:end'; readonly outcome: Outcome })
  /** It failed before the head of a response. `final`: why there is no other; undefined: there is one. */
  | (OfAttempt & {
      readonly type: 'attempt:failed'
      readonly error: Error
      readonly final: NotRetried | undefined
    })

interface OfCall extends OfService {
  /** Tells the events of one call from those of others: the same object in each. */
  readonly call: object
  readonly method: string
  readonly path: string
  /** The clock's milliseconds. */
  readonly now: number
}

interface OfAttempt extends OfCall {
  /** `host:port`. */
  readonly endpoint: string
  /** 1 for the first of its call. */
  readonly attempt: number
}

/** What admission does. */
type AdmissionNews =
  /**
   * Calls are shed; told once in 10 s. `reason`: why the last one was. `shed`: how many, since it was told last;
   * `limit`, `inflight`, `queued`: how many calls there may be in flight, and are, and are queued.
   */
  OfService & {
    readonly type: 'admission:shedding'
    readonly reason: 'queueFull' | 'displaced' | 'queueTimeout'
    readonly shed: number
    readonly limit: number
    readonly inflight: number
    readonly queued: number
  }

/** What becomes of a client. */
type ClientNews =
  /** `close()` has reached its limit. */
  | (OfService & {
      readonly type: 'client:close-timeout'
      readonly requests: number
      readonly timeoutMs: number
    })
  /** A listener of `onDiscovery`, or a subscriber of the events, threw. */
  | (OfService & {
      readonly type: 'client:listener-failed'
      readonly listener: 'onDiscovery' | 'event subscriber'
      readonly error: Error
    })

interface OfRegistration extends OfService {
  /** The id of the registration. */
  readonly id: string
}

/** What becomes of a registration. */
type RegistrationNews =
  | (OfRegistration & { readonly type: 'registration:registered' })
  /** The end of an outage of the agent. */
  | (OfRegistration & { readonly type: 'registration:recovered'; readonly agent: string })
  /** The agent does not have it any more. */
  | (OfRegistration & { readonly type: 'registration:forgotten'; readonly error: Error })
  /** Another process has registered under its id. */
  | (OfRegistration & { readonly type: 'registration:superseded' })
  /** That other process has left. */
  | (OfRegistration & { readonly type: 'registration:resumed' })
  /** `before`: it was registered until then. `refused`: the agent will not take it as it is. */
  | (OfRegistration & {
      readonly type: 'registration:failed'
      readonly error: Error
      readonly before: boolean
      readonly refused: boolean
    })
  /** Clients have not been seen to know that it leaves. */
  | (OfRegistration & { readonly type: 'registration:drain-unconfirmed'; readonly confirmMs: number })
  /** Requests were left when the deadline came. */
  | (OfRegistration & { readonly type: 'registration:drain-timeout'; readonly deadlineMs: number })
  /** `afterMs`: Consul does it by itself then; false: it does not. */
  | (OfRegistration & {
      readonly type: 'registration:deregister-failed'
      readonly error: Error
      readonly afterMs: number | false
    })

/** What becomes of a process that shuts down. */
type ShutdownNews =
  | { readonly type: 'shutdown:signal'; readonly signal: string }
  /** Requests were aborted at the deadline. */
  | { readonly type: 'shutdown:aborted'; readonly inflight: number; readonly deadlineMs: number }
  /** `onSignal` had not ended at the deadline. */
  | { readonly type: 'shutdown:hook-late'; readonly deadlineMs: number }
  /** A hook of the user's threw. */
  | { readonly type: 'shutdown:hook-failed'; readonly hook: string; readonly error: Error }
  | { readonly type: 'shutdown:failed'; readonly error: Error }

/** Hears of events. What it throws is told to the others, and stops none of them. */
export interface Subscriber {
  /**
   * Of every call and attempt as well? Nothing is made of them where no subscriber is. It may change: `Events.look` asks
   * again.
   */
  readonly traffic: boolean
  hear(event: FairleadEvent): void
}

/** Where events go. One for each client and each registration; a publisher is handed it instead of a logger. */
export class Events {
  /** Did a subscriber hear of each call when last looked at? The one branch that a request pays. */
  traced = false
  readonly #subscribers = new Set<Subscriber>()

  constructor(...subscribers: readonly Subscriber[]) {
    for (const subscriber of subscribers) this.subscribe(subscriber)
  }

  /** Returns how to stop. */
  subscribe(subscriber: Subscriber): () => void {
    this.#subscribers.add(subscriber)
    this.look()
    return () => {
      this.#subscribers.delete(subscriber)
      this.look()
    }
  }

  publish(event: FairleadEvent): void {
    for (const subscriber of this.#subscribers) {
      try {
        subscriber.hear(event)
      } catch (thrown) {
        this.#report(subscriber, event, asError(thrown))
      }
    }
  }

  /** Asks the subscribers again whether they hear of each call. */
  look(): void {
    this.traced = [...this.#subscribers].some(({ traffic }) => traffic)
  }

  #report(broken: Subscriber, event: FairleadEvent, error: Error): void {
    const service = 'service' in event ? event.service : ''
    for (const subscriber of this.#subscribers) {
      if (subscriber === broken) continue
      try {
        subscriber.hear({ type: 'client:listener-failed', service, listener: 'event subscriber', error })
      } catch {
        // It has its own turn to be reported, with the next event.
      }
    }
  }
}
