import type { experimental } from '@grpc/grpc-js'

/** Its name among the load balancers of grpc-js, and the scheme of its resolver. */
export const LOAD_BALANCER = 'fairlead'

/** It has nothing to configure: all of that is the client's. */
export class ServiceBalancerConfig implements experimental.TypedLoadBalancingConfig {
  static createFromJson(): ServiceBalancerConfig {
    return new ServiceBalancerConfig()
  }

  getLoadBalancerName(): string {
    return LOAD_BALANCER
  }

  toJsonObject(): object {
    return { [LOAD_BALANCER]: {} }
  }
}
