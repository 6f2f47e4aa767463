/** What an instance has that a change may change. */
export interface InstanceState {
  readonly index: number
  readonly node: string
  /** Undefined: one of its own, where nothing listens. */
  readonly host: string | undefined
  readonly weight: number
  readonly port: number
  /** What its check has printed last. */
  readonly output: string
  /** The change that it has been through; the first one's tells which answer has arrived. */
  readonly version: number
}

/** One entry of `/v1/health/service/<service>`, with all that Consul 1.8 says of an instance: 1.4 kB of JSON. */
export function entryOf(service: string, state: InstanceState): object {
  const { index, node } = state
  const address = state.host ?? addressParts(index).join('.')
  const id = `${service}-${index}`
  const tags = ['http', 'v4']
  const shared = { Node: node, Notes: '', CreateIndex: 1000 + index, ModifyIndex: 1000 + state.version }
  return {
    Node: {
      ID: `40e4a748-2192-161a-0510-${index.toString(16).padStart(12, '0')}`,
      Node: node,
      Address: address,
      Datacenter: 'dc1',
      TaggedAddresses: { lan: address, lan_ipv4: address, wan: address, wan_ipv4: address },
      Meta: { 'consul-network-segment': '' },
      CreateIndex: 1000 + index,
      ModifyIndex: 1000 + index,
    },
    Service: {
      ID: id,
      Service: service,
      Tags: tags,
      Address: address,
      TaggedAddresses: {
        lan_ipv4: { Address: address, Port: state.port },
        wan_ipv4: { Address: address, Port: state.port },
      },
      Meta: { version: '4.12.3', team: 'payments', zone: `eu-central-1${'abc'[index % 3] ?? ''}` },
      Port: state.port,
      Weights: { Passing: state.weight, Warning: 1 },
      EnableTagOverride: false,
      Proxy: { MeshGateway: {}, Expose: {} },
      Connect: {},
      CreateIndex: 1000 + index,
      ModifyIndex: 1000 + state.version,
    },
    Checks: [
      {
        ...shared,
        CheckID: 'serfHealth',
        Name: 'Serf Health Status',
        Status: 'passing',
        Output: 'Agent alive and reachable',
        ServiceID: '',
        ServiceName: '',
        ServiceTags: [],
        Type: '',
        Definition: {},
      },
      {
        ...shared,
        CheckID: `service:${id}`,
        Name: `Service '${service}' check`,
        Status: 'passing',
        Output: state.output,
        ServiceID: id,
        ServiceName: service,
        ServiceTags: tags,
        Type: 'http',
        Definition: {},
      },
    ],
  }
}

export function nodeName(index: number): string {
  return `ip-${addressParts(index).join('-')}`
}

function addressParts(index: number): readonly number[] {
  return [10, index >> 16, (index >> 8) & 255, index & 255]
}

/** What a check of the kind that most services have prints. */
export function checkOutput(index: number, version: number): string {
  return `HTTP GET http://127.0.0.1:8080/health: 200 OK Output: {"status":"UP","db":"UP","queue":${index},"run":${version}}`
}
