/**
 * Connect, gRPC and gRPC-Web by `@connectrpc/connect-node`, which has to be installed beside this package:
 * {@link balancedSessions} is where to begin.
 *
 * @module @fairlead/sdk/connect-node
 */
export { balancedSessions } from './balanced-sessions.js'
export type { BalancedSessions, BalancedSessionsOptions } from './balanced-sessions.js'
export type { SessionRequest } from './endpoint-session.js'
