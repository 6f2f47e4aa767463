/** What an instance can be told to do, in words for the page. */
export const behaviours = {
  serve: 'answers 200 after 2 ms',
  refuse: 'closes its port and its connections',
  'accept-and-hang':
    'its kernel accepts connections, it reads from none, old or new; all are reset at the end',
  'reset-on-accept': 'resets its connections, and each new one as soon as it is there',
  'reset-before-head': 'reads each request and resets the connection',
  'reset-mid-body': 'sends the head and half of the body, and resets the connection',
  'short-body': 'announces a body twice as long as the one it sends, and closes the connection',
  garbage: 'answers with bytes that are not HTTP, and closes the connection',
  'one-in-ten-reset': 'resets one in ten requests before the head',
  'one-in-three-503': 'answers 503 to one in three requests',
  'always-503': 'answers 503 to all requests',
  'always-500': 'answers 500 to all requests',
  'retry-after': 'answers 429 with `Retry-After: 1` to all requests',
  'slow-head': 'answers after 2 s',
  'slow-body': 'sends the head after 2 ms, and the body in ten pieces over 2 s',
  hang: 'reads each request and never answers, also after the end',
  'close-after-each': 'sends `Connection: close` with each response, and closes',
  'close-silently':
    'says keep-alive, but closes every second connection right behind its response, and all that are idle every 50 ms',
} as const

export type BehaviourName = keyof typeof behaviours
