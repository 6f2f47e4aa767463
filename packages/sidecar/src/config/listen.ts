import { InvalidArgumentError } from 'commander'

/** An address to listen on. */
export interface Listen {
  /** A host name or an IP address; IPv6 without brackets. */
  readonly host: string
  /** 0 to 65,535; 0: any free port. */
  readonly port: number
}

/** Reads `host:port`. */
export function parseListen(value: string): Listen {
  const [, host = '', digits = ''] = HOST_AND_PORT.exec(value) ?? []
  const port = Number(digits)
  if (digits === '' || port > 65_535 || !URL.canParse(`tcp://${value}`)) {
    throw new InvalidArgumentError('It must be host:port, such as 127.0.0.1:4140 or [::1]:4140.')
  }
  return { host: host.replace(/^\[|\]$/g, ''), port }
}

// IPv6 is in brackets; the URL parser validates what they enclose.
const HOST_AND_PORT = /^(\[[\da-f:.]+\]|[\w.-]+):(\d{1,5})$/i
