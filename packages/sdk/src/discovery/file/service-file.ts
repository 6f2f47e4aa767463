import * as v from 'valibot'
import type * as Yaml from 'yaml'
import { asError } from '../../errors.js'
import { complaint, pathOf, type Path } from '../../validation/validation-error.js'
import { duplicateIn, entrySchema, instanceOf } from '../instance-entry.js'
import type { Instance } from '../resolver.js'

// The library takes seconds for a megabyte, in which nothing else of the process happens. That is 7,000 instances with
// all their fields; JSON.parse reads as many in 20 ms.
const LONGEST_YAML = 1024 * 1024

const entries = v.array(entrySchema, 'a list of instances; [] says that there are none')

/** The library for YAML cannot be loaded, as for want of a descriptor: not a mistake in the text, so worth another try. */
export class YamlNotLoaded extends Error {}

/**
 * Reads a JSON or YAML text that maps service names to lists of instances. Of other services only the syntax counts:
 * a mistake in their lists is not a reason to distrust this one. No instances: it does not name the service.
 *
 * @throws Error that names line, field, value and fix; YamlNotLoaded.
 */
export async function parseServiceFile(text: string, service: string): Promise<readonly Instance[]> {
  const content = await contentOf(text)
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    const found = content === null ? 'nothing' : Array.isArray(content) ? 'a list' : 'a single value'
    throw new Error(
      `it has ${found} where a map of service names to lists of instances must be; {} says that there are no services`,
    )
  }
  // Not by mere access: a service may have the name of something that every object has.
  if (!Object.hasOwn(content, service)) return []
  const at = (path: Path): Promise<string> => placeOf([service, ...path], text)
  const checked = v.safeParse(entries, (content as Record<string, unknown>)[service])
  if (!checked.success) {
    const [issue] = checked.issues
    const path = pathOf(issue)
    throw new Error((await at(path)) + complaint(issue, [service, ...path], service))
  }
  const instances = checked.output.map((entry) => instanceOf(entry, 'file'))
  const duplicate = duplicateIn(instances, service)
  if (duplicate !== undefined) throw new Error((await at([duplicate.index])) + duplicate.complaint)
  // By key, as an instance that is only moved within the file is not a change.
  return Object.freeze(instances.sort((a, b) => (a.key < b.key ? -1 : 1)))
}

/** Does it begin with a bracket whose counterpart shows, if it parses, that it is whole? JSON always does. */
export function isBracketed(text: string): boolean {
  return text.trimStart().startsWith('{')
}

async function contentOf(text: string): Promise<unknown> {
  if (isBracketed(text)) {
    try {
      return JSON.parse(text)
    } catch (error) {
      // YAML has brackets as well, and tells of mistakes with their line.
      if (text.length > LONGEST_YAML)
        throw new Error(`it is not JSON: ${asError(error).message}`, { cause: error })
    }
  }
  if (text.length > LONGEST_YAML) {
    throw new Error(`it has ${text.length} characters of YAML; above ${LONGEST_YAML}, write it as JSON`)
  }
  const { document, lines } = await parseYaml(text)
  const [fault] = document.errors
  if (fault !== undefined) throw new Error(`line ${lines.linePos(fault.pos[0]).line}: ${fault.message}`)
  try {
    return document.toJS()
  } catch (error) {
    // An alias of nothing, or so many that they are an attack on memory.
    throw new Error(asError(error).message, { cause: error })
  }
}

async function parseYaml(
  text: string,
): Promise<{ readonly document: Yaml.Document; readonly lines: Yaml.LineCounter }> {
  const { LineCounter, parseDocument } = await loadYaml()
  const lines = new LineCounter()
  // Pretty errors would be several lines. Merge keys (<<) are how people write what instances have in common.
  return { document: parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: true }), lines }
}

/** The line of the node at `path`, or of the nearest one around it, as what is missing has no line. */
async function placeOf(path: Path, text: string): Promise<string> {
  if (text.length > LONGEST_YAML) return ''
  const { document, lines } = await parseYaml(text)
  const { isNode } = await loadYaml()
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return `line ${lines.linePos(node.range[0]).line}: `
  }
  return ''
}

/** When first needed: most programs have no such file, and a JSON file without a mistake does without the library. */
async function loadYaml(): Promise<typeof Yaml> {
  try {
    return await import('yaml')
  } catch (error) {
    throw new YamlNotLoaded(`the library for YAML cannot be loaded: ${asError(error).message}`, {
      cause: error,
    })
  }
}
