/** Called at once when something has changed. */
export type Callback = () => void

interface Several extends Callback {
  readonly members: readonly Callback[]
}

/** One more to be called: of one alone it is that one, so that the usual case is a direct call. */
export function withCallback(current: Callback | undefined, added: Callback): Callback {
  return current === undefined ? added : several([...membersOf(current), added])
}

/** One less, if it was there; `undefined`: none is left. */
export function withoutCallback(current: Callback | undefined, removed: Callback): Callback | undefined {
  const left = membersOf(current).filter((member) => member !== removed)
  return left.length > 1 ? several(left) : left[0]
}

function several(members: readonly Callback[]): Several {
  const call = (): void => {
    let failure: { readonly thrown: unknown } | undefined
    for (const member of members) {
      try {
        member()
      } catch (thrown) {
        // The others are called all the same.
        failure ??= { thrown }
      }
    }
    if (failure !== undefined) throw failure.thrown
  }
  return Object.assign(call, { members })
}

function membersOf(current: Callback | undefined): readonly Callback[] {
  if (current === undefined) return []
  return 'members' in current ? (current as Several).members : [current]
}
