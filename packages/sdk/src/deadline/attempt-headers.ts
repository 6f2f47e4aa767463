// Envoy counts attempts from 1, gRPC those before this one (A6).
export const ATTEMPT = 'x-envoy-attempt-count'
export const PREVIOUS_ATTEMPTS = 'grpc-previous-rpc-attempts'
