/** What a proxy of another make needs to know to stand where the sidecar stands. */
export interface PeerConfig {
  readonly port: number
  /** `host:port` of each upstream. */
  readonly upstreams: readonly string[]
  /** A folder of its own. */
  readonly folder: string
}

/** One worker, kept-alive upstream connections, no log: as fast as nginx is set up to be. */
export function nginxConfig({ port, upstreams, folder }: PeerConfig): string {
  return `# One process, so that its CPU time is all there is.
daemon off;
master_process off;
pid ${folder}/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  keepalive_requests 1000000000;
  upstream bench {
${upstreams.map((upstream) => `    server ${upstream};`).join('\n')}
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://bench;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`
}

/** One thread, any request on any connection. */
export function haproxyConfig({ port, upstreams }: PeerConfig): string {
  return `global
  nbthread 1
  maxconn 1024
defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  http-reuse always
frontend in
  bind 127.0.0.1:${port}
  default_backend bench
backend bench
  balance roundrobin
${upstreams.map((upstream, index) => `  server s${index} ${upstream}`).join('\n')}
`
}

/** The least that proxies HTTP; its default cluster policy is round robin. JSON is YAML. */
export function envoyConfig({ port, upstreams }: PeerConfig): string {
  const extension = 'type.googleapis.com/envoy.extensions.filters'
  const manager = {
    '@type': `${extension}.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'bench',
    route_config: {
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'bench' } }] },
      ],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': `${extension}.http.router.v3.Router` },
      },
    ],
  }
  const listener = {
    address: addressOf(`127.0.0.1:${port}`),
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] },
    ],
  }
  const cluster = {
    name: 'bench',
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: 'bench',
      endpoints: [
        { lb_endpoints: upstreams.map((upstream) => ({ endpoint: { address: addressOf(upstream) } })) },
      ],
    },
  }
  return JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } })
}

function addressOf(hostAndPort: string): object {
  const [address, port] = hostAndPort.split(':')
  return { socket_address: { address, port_value: Number(port) } }
}
