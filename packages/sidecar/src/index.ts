export { startSidecar } from './sidecar.js'
export type { Sidecar } from './sidecar.js'
export type { Config, LogLevel } from './config/config.js'
export type { Listen } from './config/listen.js'
