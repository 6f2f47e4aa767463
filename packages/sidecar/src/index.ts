export { startSidecar } from './sidecar.js'
export type { Sidecar } from './sidecar.js'
export type { Config, Listen, LogLevel } from './config/config.js'
