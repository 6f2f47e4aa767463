import { architecture } from './architecture.js'
import { errors } from './errors.js'
import { inspectPage } from './inspect.js'
import { logLines } from './log-lines.js'
import type { Page } from './page.js'
import { sidecarConfiguration } from './sidecar-configuration.js'

/** Every page that `npm run docs` renews. */
export const pages: readonly Page[] = [sidecarConfiguration, logLines, errors, inspectPage, architecture]
