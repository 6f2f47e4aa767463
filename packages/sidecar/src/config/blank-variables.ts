/**
 * Removes FAIRLEAD_ variables that are empty or blank from the environment: `FAIRLEAD_SERVICE=` is what docker-compose
 * (`${SERVICE:-}`) and Helm write for "not set", and Consul's own client reads its variables so. commander, which would
 * read an empty one as a value, looks at `process.env` itself, and names the variables of all options in its help.
 */
export function unsetBlank(environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith('FAIRLEAD_') && value?.trim() === '') Reflect.deleteProperty(environment, name)
  }
}
