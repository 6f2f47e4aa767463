/** For `@fairlead/sidecar` only; no stability promise. */
export { forwarderOf } from './client.js'
export type { Forwarder } from './client.js'
export { incomingDeadline } from './deadline/deadline-header.js'
export type { Abort, Handler } from './transport/handler.js'
