import { axiosLibrary } from './axios.js'
import { connectWebLibrary } from './connect-web.js'
import { gotLibrary } from './got.js'
import { graphqlRequestLibrary } from './graphql-request.js'
import { kyLibrary } from './ky.js'
import type { Library } from './library.js'
import { openapiFetchLibrary } from './openapi-fetch.js'
import { replyFromLibrary } from './reply-from.js'

/** All that can be hooked to Fairlead. */
export const libraries: readonly Library[] = [
  axiosLibrary,
  kyLibrary,
  openapiFetchLibrary,
  graphqlRequestLibrary,
  connectWebLibrary,
  replyFromLibrary,
  gotLibrary,
]
