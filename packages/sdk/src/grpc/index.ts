/**
 * gRPC by `@grpc/grpc-js`, which has to be installed beside this package: {@link balancedBy} is all there is.
 *
 * @module @fairlead/sdk/grpc
 */
export { balancedBy } from './balanced-by.js'
