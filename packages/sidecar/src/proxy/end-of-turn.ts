/** What has something to write when the turn of the event loop ends in which it came about. */
export interface Due {
  endOfTurn(): void
}

let due: Due[] = []

/**
 * Calls `endOfTurn` when this turn of the event loop ends, together with that of all others of the turn.
 *
 * A response written at once wakes whoever waits for it, who sends the next request while we are still reading:
 * both sides then work in crumbs. Written together, they are read together, and so are the requests that follow:
 * a third more requests a second from a busy proxy. In an idle one there is nothing to wait for in the turn.
 */
export function atEndOfTurn(one: Due): void {
  // eslint-disable-next-line no-restricted-globals -- a turn of the event loop, not a time
  if (due.length === 0) setImmediate(endTurn)
  due.push(one)
}

function endTurn(): void {
  const all = due
  due = []
  for (const one of all) one.endOfTurn()
}
