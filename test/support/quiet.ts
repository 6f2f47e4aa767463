import type { Logger } from '@fairlead/sdk'

/** For clients whose warnings are the point of the test. */
export const quiet: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
