/** What the sidecar calls the options that errors of the SDK name. Those that are not here it has no setting for. */
export const SETTINGS: Readonly<Record<string, string>> = {
  timeoutMs: '--timeout',
  panicThreshold: '--panic-threshold',
  minInstances: '--ready-min',
  'connections.bodyTimeoutMs': '--body-timeout',
  'connections.maxResponseHeaderBytes': '--max-response-header-bytes',
  'consul.token': 'CONSUL_HTTP_TOKEN',
}

/**
 * A text of the SDK with our settings in place of its options: an operator of a sidecar has the flags. What there is no
 * setting for is left out, as advice that nobody can follow. Nothing that a request says looks so: no target has a space.
 */
export function inOurSettings(text: string): string {
  // Nearly all texts have none.
  if (!text.includes('(option ')) return text
  return text.replace(OPTION, (_, alternative: string | undefined, name: string, variable?: string) => {
    const setting = variable ?? SETTINGS[name]
    return setting === undefined ? '' : `${alternative ?? ''} (${setting})`
  })
}

// What it is the last resort for, such as ", or keep connections longer"; the option; the variable that has it too.
const OPTION = /(, or [^,;()]*)? \(option ([\w.]+)(?:, or ([A-Z_]+))?\)/g
