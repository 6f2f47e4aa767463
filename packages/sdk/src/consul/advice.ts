/** How the agent was asked. */
export type Method = 'GET' | 'PUT' | 'POST'

/** What to do about a status and what came with it, as the end of a sentence; empty where it says so itself. Pure. */
export function adviceForStatus(
  status: number,
  said: string,
  method: Method = 'GET',
  sendsToken: boolean = true,
): string {
  switch (status) {
    case 400:
      // Go's own words.
      return said.includes('HTTP request to an HTTPS server') ? ': give its address with https://' : ''
    case 403: {
      // What is written through us is services, and what is read are services and their nodes.
      if (!sendsToken) return ': no token is sent; set CONSUL_HTTP_TOKEN, or option consul.token'
      // No rule helps a token that does not exist.
      if (said.includes('ACL not found'))
        return ': Consul has no such token (option consul.token, or CONSUL_HTTP_TOKEN); it was deleted, has expired, or is that of another cluster'
      const rules = method === 'PUT' ? 'service:write' : 'service:read and node:read'
      return `: the token (option consul.token, or CONSUL_HTTP_TOKEN) needs ${rules}`
    }
    case 429:
      return ': too many connections from this address; see limits.http_max_conns_per_client of the agent'
    case 500:
      return /leader/i.test(said) ? ': the agent is up, but has no leader to ask' : ''
    default:
      return ''
  }
}

const OUR_CERTIFICATE =
  'a certificate that its authority has signed, in consul.tls.certFile and keyFile (CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY)'

/** What to do about a connection that failed, as the end of a sentence. Pure. @param secure Was it to speak TLS? */
export function adviceForFailure(error: Error, secure: boolean): string {
  const { code, socket } = error as { code?: unknown; socket?: { bytesRead?: unknown } }
  switch (code) {
    // Codes of OpenSSL's X509_V_ERR_*.
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'CERT_SIGNATURE_FAILURE':
      return "; consul.tls.caFile (CONSUL_CACERT) must hold the authority that signed the agent's certificate"
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return "; it is the agent's certificate, or that of its authority"
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return '; consul.tls.serverName (CONSUL_TLS_SERVER_NAME) must be a name in the certificate, such as server.dc1.consul'
    // Alerts of the agent, to who has no certificate, or one that it does not trust.
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
    case 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN':
      return `; the agent requires ${OUR_CERTIFICATE}`
    // With TLS 1.3 the alert comes behind the handshake, and the end of the connection may overtake it.
    case 'UND_ERR_SOCKET':
      return secure && socket?.bytesRead === 0
        ? `; an agent with verify_incoming requires ${OUR_CERTIFICATE}`
        : ''
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return '; this port does not speak TLS: give its address with http://, or the port for HTTPS'
    default:
      return ''
  }
}
