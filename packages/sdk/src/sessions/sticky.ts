import type { OuterLayer } from '../cluster/live-picker.js'
import type { ResponseFilter } from '../call/call-owner.js'
import type { Endpoint } from '../endpoint/endpoint.js'
import { Sessions } from './sessions.js'
import type { StickySettings } from './sticky-options.js'
import { StickyPicker } from './sticky-picker.js'

/** All of sticky sessions that a client has to know. */
export interface Sticky {
  readonly layer: OuterLayer
  readonly filter: ResponseFilter
}

/** Sessions, on the seams of a client: a layer around its pickers, and a filter of its responses. */
export function sticky(settings: StickySettings, service: string): Sticky {
  const sessions = new Sessions<Endpoint>(settings, service)
  return {
    layer: {
      prepare: (endpoints) => sessions.prepare(endpoints),
      wrap(next, endpoints) {
        sessions.adopt(endpoints)
        return new StickyPicker(next, sessions)
      },
    },
    filter: (response, request, endpoint) => sessions.stamp(response, request, endpoint),
  }
}
