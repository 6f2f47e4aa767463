/** Outlier detection with every default in its place; `OutlierDetectionOptions` says what each is. */
export interface OutlierDetectionSettings extends RunSettings, EjectionSettings {
  readonly intervalMs: number
  readonly successRateEjection: SuccessRateSettings | false
  readonly failurePercentageEjection: FailurePercentageSettings | false
  readonly maxEjectionPercent: number
}

/** Failures in a row. */
export interface RunSettings {
  readonly consecutiveGatewayFailure: number | false
  readonly consecutiveLocalOriginFailure: number | false
}

/** For how long, in milliseconds. */
export interface EjectionSettings {
  readonly intervalMs: number
  readonly baseEjectionTimeMs: number
  readonly maxEjectionTimeMs: number
  readonly maxEjectionTimeJitterMs: number
}

export interface SuccessRateSettings {
  readonly stdevFactor: number
  readonly minimumHosts: number
  readonly requestVolume: number
}

export interface FailurePercentageSettings {
  /** In percent. */
  readonly threshold: number
  readonly minimumHosts: number
  readonly requestVolume: number
}
