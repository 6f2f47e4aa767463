import {
  connectivityState as State,
  experimental,
  Metadata,
  status as Status,
  type ChannelOptions,
} from '@grpc/grpc-js'
import { mispicked, clientClosed, nothingToPick, unresolved } from '../call/failures.js'
import { KeyedPick } from '../call/keyed-pick.js'
import type { ClientParts } from '../client.js'
import { nextTurn } from '../clock.js'
import { hostOf } from '../discovery/origin.js'
import { Endpoint } from '../endpoint/endpoint.js'
import { AnswerTimes } from '../endpoint/unanswered.js'
import { asError, FairleadError } from '../errors.js'
import { Attempt } from './attempt.js'
import { CallMemories, type CallMemory } from './call-memory.js'
import { partsIn } from './client-option.js'
import { Discovery } from './discovery.js'
import { Link } from './link.js'
import { MetadataKey } from './metadata-key.js'
import { dropped, failed, QUEUED, type Pick } from './pick-result.js'
import { LOAD_BALANCER } from './service-config.js'
import { Unconnected } from './unconnected.js'
import { wrongTarget } from './wrong-target.js'

/**
 * The load balancer of one gRPC channel: picks by the client's policy among its endpoints, over connections of grpc-js, and
 * with a lease for each attempt. Endpoints come from the client's cluster, not by way of grpc-js's resolver, so that set,
 * policy and health are those of the client at every pick.
 */
export class ServiceBalancer implements experimental.LoadBalancer {
  readonly #helper: experimental.ChannelControlHelper
  readonly #memories = new CallMemories()
  readonly #links = new Map<Endpoint, Link>()
  readonly #picker: experimental.Picker = { pick: (call) => this.#pick(call) }
  #parts: ClientParts | undefined
  #answers: AnswerTimes | undefined
  #options: ChannelOptions = {}
  #discovery: Discovery | undefined
  #unsubscribe: (() => void) | undefined
  /** Picked in this turn, and perhaps never sent. */
  #picked: Attempt[] = []
  #state = State.IDLE
  #telling = false
  /** Somebody wants to be connected, and is not. */
  #wanted = false
  #waking = false

  constructor(helper: experimental.ChannelControlHelper) {
    this.#helper = helper
  }

  getTypeName(): string {
    return LOAD_BALANCER
  }

  /** With each word of the resolver, which says nothing but whose client it is: the same each time. */
  updateAddressList(
    endpoints: experimental.StatusOr<readonly experimental.Endpoint[]>,
    _config: experimental.TypedLoadBalancingConfig,
    options: ChannelOptions,
  ): boolean {
    if (this.#parts !== undefined) return true
    const parts = partsIn(options)
    if (parts === undefined) return false
    // Our resolver has no addresses: these are of a target that is not ours, and would be ignored.
    if (endpoints.ok && endpoints.value.length > 0) {
      const error = wrongTarget('the channel', parts)
      const picker = { pick: () => dropped(Status.INTERNAL, error) }
      this.#helper.updateState(State.TRANSIENT_FAILURE, picker, error.message)
      return true
    }
    this.#parts = parts
    this.#options = options
    const { cluster, events } = parts
    this.#discovery = new Discovery(parts, this.#tellSoon)
    this.#unsubscribe = events.subscribe({
      traffic: false,
      hear: ({ type }) => {
        if (type === 'cluster:updated') this.#dropGone()
        if (type === 'cluster:updated' || type === 'endpoint:availability') this.#tellSoon()
      },
    })
    cluster.end.addEventListener('abort', this.#closed)
    cluster.follow()
    this.#tell()
    // It is made because somebody wants to be connected.
    this.exitIdle()
    return true
  }

  /** Somebody wants to be connected: a call, which picks within this turn, or `waitForReady`, which does not. */
  exitIdle(): void {
    if (this.#state === State.READY) return
    this.#wanted = true
    this.#wake()
  }

  /** Each connection has a backoff of its own, which grpc-js keeps to itself. */
  resetBackoff(): void {
    return
  }

  destroy(): void {
    this.#unsubscribe?.()
    this.#discovery?.stop()
    this.#parts?.cluster.end.removeEventListener('abort', this.#closed)
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    this.#parts = undefined
  }

  /** Never throws: what a balancer of the user's throws costs a call. */
  #pick({ metadata, extraPickInfo }: experimental.PickArgs): Pick {
    const parts = this.#parts
    if (parts === undefined) return QUEUED
    const { closed } = parts
    try {
      return this.#pickOf(parts, metadata, this.#memories.of(extraPickInfo, parts.clock.now()))
    } catch (thrown) {
      const error = asError(thrown)
      if (!(error instanceof FairleadError) || error.code === 'INVALID_OPTION')
        return dropped(Status.INTERNAL, error)
      return closed() ? dropped(Status.UNAVAILABLE, error) : failed(error)
    }
  }

  #pickOf(parts: ClientParts, metadata: Metadata, memory: CallMemory): Pick {
    const { service, cluster, policy, clock, closed } = parts
    if (closed()) throw clientClosed(service)
    if (!cluster.resolved) {
      if (this.#discovery?.await(memory.since) === true) return QUEUED
      throw unresolved(service, cluster)
    }
    const key = new MetadataKey(metadata)
    let { tried } = memory
    // Each turn avoids one more.
    for (;;) {
      const pick = new KeyedPick(clock.now(), key, policy.current.hasher, undefined, tried)
      const endpoint = endpointOf(cluster.pick(pick, tried === memory.tried))
      if (endpoint === undefined) {
        throw nothingToPick({ service, errors: [], tried, idempotent: undefined, title: 'a call' }, cluster)
      }
      const link = this.#linkTo(endpoint)
      link.connect()
      // A key waits for its endpoint; other calls go where there is a connection already.
      if (link.state === 'connecting' && pick.wasKeyed) return QUEUED
      const picked = link.state === 'ready' ? endpoint : this.#connected(parts, key, memory)
      if (picked === undefined) return this.#waitOrFail(service)
      const begun = this.#begin(parts, picked, memory)
      if (begun !== undefined) return begun
      tried = [...tried, picked]
    }
  }

  /** Another pick, of endpoints that are connected. */
  #connected(
    { cluster, policy, clock }: ClientParts,
    key: MetadataKey,
    memory: CallMemory,
  ): Endpoint | undefined {
    const isReady = (endpoint: Endpoint): boolean => this.#links.get(endpoint)?.state === 'ready'
    for (const tried of [memory.tried, []]) {
      const pick = new KeyedPick(
        clock.now(),
        key,
        policy.current.hasher,
        undefined,
        new Unconnected(isReady, tried),
      )
      const endpoint = endpointOf(cluster.pick(pick, false))
      if (endpoint !== undefined && isReady(endpoint)) return endpoint
    }
    return undefined
  }

  /** `undefined`: its circuit refuses. */
  #begin({ leases, clock }: ClientParts, endpoint: Endpoint, memory: CallMemory): Pick | undefined {
    const link = this.#linkTo(endpoint)
    this.#answers ??= new AnswerTimes(clock)
    const attempt = new Attempt(endpoint, this.#answers, memory, leases, clock)
    if (!attempt.reserve()) return undefined
    this.#expect(attempt)
    return {
      pickResultType: experimental.PickResultType.COMPLETE,
      subchannel: link.pick(attempt),
      status: null,
      onCallStarted: null,
      onCallEnded: attempt.ended,
    }
  }

  /** grpc-js says nothing of a call that it gives up before it is sent. */
  #expect(attempt: Attempt): void {
    this.#picked.push(attempt)
    if (this.#picked.length > 1) return
    void nextTurn().then(() => {
      const picked = this.#picked
      this.#picked = []
      for (const each of picked) each.lapse()
    })
  }

  #waitOrFail(service: string): Pick {
    let failure: string | undefined
    for (const link of this.#links.values()) {
      if (link.state === 'connecting') return QUEUED
      failure ??= link.failure
    }
    const text = `no endpoint of ${service} can be connected to: ${failure ?? 'none has been tried'}`
    throw new FairleadError('UNAVAILABLE', text, { service })
  }

  #linkTo(endpoint: Endpoint): Link {
    const known = this.#links.get(endpoint)
    if (known !== undefined) return known
    const { policy, clock } = this.#ofClient()
    const link = new Link(endpoint, this.#helper.createSubchannel(addressOf(endpoint), this.#options), {
      connectTimeoutMs: () => policy.current.connectTimeoutMs,
      onChange: this.#tellSoon,
      clock,
    })
    this.#links.set(endpoint, link)
    if (link.state === 'ready') this.#tellSoon()
    return link
  }

  #wake(): void {
    if (this.#state !== State.IDLE || this.#waking) return
    this.#waking = true
    void nextTurn().then(() => {
      this.#waking = false
      if (this.#state === State.IDLE && this.#wanted && this.#parts?.cluster.resolved === true)
        this.#connectAny()
    })
  }

  #connectAny(): void {
    this.#wanted = false
    const { cluster, policy, clock } = this.#ofClient()
    const pick = new KeyedPick(
      clock.now(),
      new MetadataKey(new Metadata()),
      policy.current.hasher,
      undefined,
      [],
    )
    try {
      const endpoint = endpointOf(cluster.pick(pick))
      if (endpoint !== undefined) this.#linkTo(endpoint).connect()
    } catch {
      // What a balancer of the user's throws is told with the first call.
    }
    this.#tellSoon()
  }

  /** Calls on their way to an endpoint that has left finish. */
  #dropGone(): void {
    const listed = new Set(this.#ofClient().cluster.endpoints)
    for (const [endpoint, link] of this.#links) {
      if (listed.has(endpoint)) continue
      this.#links.delete(endpoint)
      link.close()
    }
  }

  readonly #closed = (): void => {
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
    this.#tellSoon()
  }

  /** Once for all that happens in one turn: each time, grpc-js picks again for every call that waits. */
  readonly #tellSoon = (): void => {
    if (this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      if (this.#parts !== undefined) this.#tell()
    })
  }

  #tell(): void {
    this.#state = this.#stateOf(this.#ofClient())
    const failure = this.#state === State.TRANSIENT_FAILURE ? 'no endpoint can be connected to' : null
    if (this.#state === State.READY) this.#wanted = false
    this.#helper.updateState(this.#state, this.#picker, failure)
    // It may have been told of when discovery had not answered yet.
    if (this.#wanted) this.#wake()
  }

  #stateOf({ cluster, closed }: ClientParts): State {
    if (closed()) return State.TRANSIENT_FAILURE
    const states = new Set([...this.#links.values()].map(({ state }) => state))
    if (states.has('ready')) return State.READY
    if (states.has('connecting')) return State.CONNECTING
    if (!cluster.resolved) return State.CONNECTING
    return states.has('failed') && !states.has('idle') ? State.TRANSIENT_FAILURE : State.IDLE
  }

  #ofClient(): ClientParts {
    if (this.#parts === undefined) throw new Error('the load balancer is of no client any more')
    return this.#parts
  }
}

/** A balancer of the user's may pick anything. */
function endpointOf(picked: unknown): Endpoint | undefined {
  if (picked !== undefined && !(picked instanceof Endpoint)) throw mispicked(picked)
  return picked
}

/** A host name is looked up by the connection. */
function addressOf({ instance: { origin }, address }: Endpoint): experimental.SubchannelAddress {
  const host = hostOf(origin).replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(address.slice(address.lastIndexOf(':') + 1)) }
}
