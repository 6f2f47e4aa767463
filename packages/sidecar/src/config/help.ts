import { errorHelp } from '../error-codes.js'

/** What `--help` prints below the options. */
export const HELP: string = `
How an application names the service:
  curl -H 'Host: orders' http://127.0.0.1:4140/v1/orders/42
  curl -H 'Host: orders.service.consul' http://127.0.0.1:4140/v1/orders/42
  curl -H 'fairlead-service: orders' http://127.0.0.1:4140/v1/orders/42
  http_proxy=http://127.0.0.1:4140 curl http://orders/v1/orders/42

A request with fairlead-service, and any request to --admin, must have a Host that no web page can use (DNS
rebinding): an address, a name without a dot, the name of this machine, or a name below localhost, internal or consul.
Allow others by --allowed-host.

Fairlead's own error responses (x-fairlead-error has the code, the body the reason):
${errorHelp()}

The hash key of ring_hash, maglev and rendezvous (--hash-on): all parts that a request has are combined, and a
request without any goes to any instance:
  header:NAME  the header; repeated ones count in any order
  cookie:NAME  the cookie
  query:NAME   the first query parameter of that name, as it stands in the path
  path         the path without its query (header::path is the path with it)
  source_ip    the last address of X-Forwarded-For, which is the client of the application's own front proxy,
               else that of the connection; loopback addresses are ignored, as every host has the same

Sticky sessions: a response sets a cookie or header, and requests that carry it go to the same instance while that
exists, else to another, whose response sets it anew. Its value is opaque and signed by a secret of 32 characters or
more from FAIRLEAD_STICKY_SECRET or --sticky-secret-file; of several secrets the first signs, and all are accepted:
  --sticky-cookie NAME                          until the browser is closed, HttpOnly, SameSite=Lax
  --sticky-cookie 'NAME; Max-Age=3600; Secure'  also Path=, Domain= and SameSite=
  --sticky-header NAME                          for applications that store it and send it themselves
{service} in a NAME is replaced by the name of the service, for applications that send the same cookies to several.

Layers around the balancer, which is --balancer, else peak_ewma where any of these is set:
  --zone NAME           prefer instances of this zone as far as they have the capacity; an instance's zone is in its
                        Consul meta. Ignored with fewer than six instances (of the subset, if there is one)
  --subset SIZE         use this many instances of each service, always the same ones; spread evenly over all clients
                        where --subset-client tells which of how many this is (7/300), else chosen by host name
  --slow-start MS       ramp up the share of an instance that is new or has recovered

Pages of the admin address:
  /healthz    200 while the process runs
  /readyz     200 once every --service is known, with --ready-min instances; 503 before and while draining
  /endpoints  every service, its instances, their load and state, as JSON
  /explain    ?service=NAME[&path=PATH][&key=KEY]: why such a request goes to which instance

Address, token and TLS of Consul are read from the variables of Consul's own client:
CONSUL_HTTP_ADDR, CONSUL_HTTP_TOKEN (service:read, node:read), CONSUL_HTTP_TOKEN_FILE, CONSUL_HTTP_AUTH,
CONSUL_HTTP_SSL, CONSUL_HTTP_SSL_VERIFY, CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY,
CONSUL_TLS_SERVER_NAME, CONSUL_NAMESPACE, CONSUL_PARTITION.
SIGTERM and SIGINT drain: no new connections, requests in flight finish; a second signal exits at once.`
