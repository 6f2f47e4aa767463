import { expect, test } from 'vitest'
import { adviceForFailure, adviceForStatus } from './advice.js'

test.each<[number, string, string | RegExp]>([
  [400, 'Client sent an HTTP request to an HTTPS server.', ': give its address with https://'],
  [400, 'Invalid index', ''],
  [403, 'Permission denied', /CONSUL_HTTP_TOKEN\) needs service:read and node:read$/],
  [429, '', /http_max_conns_per_client of the agent$/],
  [500, 'No cluster leader', ': the agent is up, but has no leader to ask'],
  [500, 'No path to datacenter', ''],
  [404, '', ''],
])('%i %j', (status, said, advice) => {
  expect(adviceForStatus(status, said)).toMatch(advice instanceof RegExp ? advice : new RegExp(`^${advice}$`))
})

test('a rejected write, and a rejected query of a chain', () => {
  expect(adviceForStatus(403, 'Permission denied', 'PUT')).toMatch(/needs service:write$/)
  expect(adviceForStatus(403, 'Permission denied', 'POST')).toMatch(/needs service:read and node:read$/)
})

test('an unknown token, and no token', () => {
  expect(adviceForStatus(403, 'ACL not found')).toMatch(/^: Consul has no such token/)
  expect(adviceForStatus(403, 'rpc error: code = Unknown desc = ACL not found', 'PUT')).toMatch(
    /no such token/,
  )
  expect(adviceForStatus(403, 'Permission denied', 'PUT', false)).toMatch(
    /^: no token is sent; set CONSUL_HTTP_TOKEN/,
  )
})

const authority = /consul\.tls\.caFile/
const ours = /^; the agent requires a certificate .* consul\.tls\.certFile and keyFile/
const maybeOurs = /^; an agent with verify_incoming requires a certificate/

test.each<[string, object, boolean, RegExp]>([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', {}, true, authority],
  ['UNABLE_TO_GET_ISSUER_CERT', {}, true, authority],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', {}, true, authority],
  ['SELF_SIGNED_CERT_IN_CHAIN', {}, true, authority],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', {}, true, authority],
  ['CERT_SIGNATURE_FAILURE', {}, true, authority],
  ['CERT_HAS_EXPIRED', {}, true, /agent's certificate/],
  ['CERT_NOT_YET_VALID', {}, true, /agent's certificate/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', {}, true, /consul\.tls\.serverName/],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', {}, true, ours],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', {}, true, ours],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', {}, true, ours],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', {}, true, ours],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', {}, true, ours],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', {}, true, ours],
  ['ERR_SSL_WRONG_VERSION_NUMBER', {}, true, /http:\/\//],
  ['ERR_SSL_PACKET_LENGTH_TOO_LONG', {}, true, /http:\/\//],
  // Closed before a byte of an answer; later it is the agent that has died.
  ['UND_ERR_SOCKET', { socket: { bytesRead: 0 } }, true, maybeOurs],
  ['UND_ERR_SOCKET', { socket: { bytesRead: 9 } }, true, /^$/],
  ['UND_ERR_SOCKET', { socket: { bytesRead: 0 } }, false, /^$/],
  ['UND_ERR_SOCKET', {}, true, /^$/],
  ['ECONNREFUSED', {}, true, /^$/],
])('%s %j', (code, rest, secure, advice) => {
  expect(adviceForFailure(Object.assign(new Error('no'), { code }, rest), secure)).toMatch(advice)
})
