/** The sidecar's settings for the options that the SDK's errors name; it has no setting for any other. */
export const SETTINGS: Readonly<Record<string, string>> = {
  timeoutMs: '--timeout',
  panicThreshold: '--panic-threshold',
  minInstances: '--ready-min',
  'admission.maxConcurrent': '--max-concurrent',
  'admission.adaptive': '--max-concurrent',
  'admission.queue.max': '--queue-max',
  'admission.queue.timeoutMs': '--queue-timeout',
  'connections.bodyTimeoutMs': '--body-timeout',
  'connections.maxResponseHeaderBytes': '--max-response-header-bytes',
  'consul.token': 'CONSUL_HTTP_TOKEN',
}

/**
 * Replaces the SDK's options in a text by the sidecar's settings, which are what its operator can change. An option
 * without a setting is removed, as advice that cannot be followed. Text from a request never matches: no target has a space.
 */
export function inOurSettings(text: string): string {
  // Nearly all texts name no option.
  if (!text.includes('(option ')) return text
  return text.replace(OPTION, (_, alternative: string | undefined, name: string, variable?: string) => {
    const setting = variable ?? SETTINGS[name]
    return setting === undefined ? '' : `${alternative ?? ''} (${setting})`
  })
}

// An alternative, such as ", or keep connections longer"; the option; the variable that sets it too.
const OPTION = /(, or [^,;()]*)? \(option ([\w.]+)(?:, or ([A-Z_]+))?\)/g
