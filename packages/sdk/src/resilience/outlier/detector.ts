import type { Clock, Timer } from '../../clock.js'
import type { Random } from '../../random.js'
import { inOwnContext } from '../../runtime/own-context.js'
import type { Judge, JudgeFactory, Judged } from '../judge.js'
import type { EjectionContext } from './ejection.js'
import { OutlierJudge, type OutlierBoard } from './outlier-judge.js'
import { byFailurePercentage, bySuccessRate } from './rates.js'
import type { OutlierDetectionSettings } from './outlier-options.js'
import { mostEjected } from '../share.js'

/**
 * Outlier detection among the endpoints of one client: what fails while its peers do not is ejected for some time. At once
 * after so many gateway or local failures in a row; once an interval by its success rate and its share of failures.
 * Sources: Envoy, outlier.rst and `outlier_detection.proto`; gRFC A50.
 *
 * @param clock Of the background.
 */
export function outlierDetection(
  settings: OutlierDetectionSettings,
  clock: Clock,
  random: Random,
): JudgeFactory {
  const detector = new Detector(settings, { settings, clock, random })
  return (endpoint) => detector.judge(endpoint)
}

/** A record costs a few additions; what looks at all endpoints comes with an interval, or with a run of failures. */
class Detector implements OutlierBoard {
  readonly #settings: OutlierDetectionSettings
  readonly #context: EjectionContext
  /** Of all endpoints that have been used and still have requests or may get some. */
  readonly #judges = new Set<OutlierJudge>()
  /** While there is something to compare at the end of the interval. */
  #timer: Timer | undefined

  constructor(settings: OutlierDetectionSettings, context: EjectionContext) {
    this.#settings = settings
    this.#context = context
  }

  judge(endpoint: Judged): Judge {
    const judge = new OutlierJudge(endpoint, this, this.#settings, this.#context)
    this.#judges.add(judge)
    return judge
  }

  used(): void {
    const { intervalMs, successRateEjection, failurePercentageEjection } = this.#settings
    if (this.#timer !== undefined || (successRateEjection === false && failurePercentageEjection === false))
      return
    this.#timer = this.#context.clock.setTimer(() => this.#compare(), intervalMs)
  }

  accuse(judge: OutlierJudge): void {
    // Who hears of it is there for all requests.
    inOwnContext(() => this.#eject(judge))
  }

  left(judge: OutlierJudge): void {
    this.#judges.delete(judge)
    if (this.#judges.size > 0 || this.#timer === undefined) return
    this.#context.clock.clearTimer(this.#timer)
    this.#timer = undefined
  }

  /** The end of an interval. Without requests in the next one it is the last. */
  #compare(): void {
    this.#timer = undefined
    const { successRateEjection, failurePercentageEjection } = this.#settings
    const compared = [...this.#judges].filter(({ endpoint, ejection }) => endpoint.listed && !ejection.active)
    const outliers = new Set([
      ...(successRateEjection === false ? [] : bySuccessRate(compared, successRateEjection)),
      ...(failurePercentageEjection === false
        ? []
        : byFailurePercentage(compared, failurePercentageEjection)),
    ])
    for (const judge of this.#judges) judge.restart()
    for (const judge of outliers) this.#eject(judge)
  }

  /**
   * Ejects it, if the share allows. What its circuit or another judge keeps from requests counts as well: the share is
   * there to keep capacity, and that is gone whoever took it.
   *
   * More unavailable than may be ejected is no outlier but an outage, or our own network: then all that are ejected are
   * let back, for their time is far longer than an outage may be. Those that are dead have open circuits, which find out
   * by one request each.
   */
  #eject(judge: OutlierJudge): void {
    if (!judge.endpoint.listed) return
    let listed = 0
    let othersOut = 0
    for (const other of this.#judges) {
      if (!other.endpoint.listed) continue
      listed++
      if (other !== judge && other.endpoint.blocked) othersOut++
    }
    const most = mostEjected(listed, this.#settings.maxEjectionPercent)
    if (othersOut < most) judge.ejection.begin()
    else if (othersOut + Number(judge.endpoint.blocked) > most) this.#readmitAll()
  }

  #readmitAll(): void {
    for (const { ejection } of this.#judges) ejection.end()
  }
}
