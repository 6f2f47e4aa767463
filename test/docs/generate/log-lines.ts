import ts from 'typescript'
import { commentOf, constant, membersOf, parse, textOf, typeAlias, type UnionMember } from './declarations.js'
import { code } from './markdown.js'
import { linesOf, type Line } from './messages.js'
import { notice, type Page } from './page.js'

const EVENTS = 'packages/sdk/src/observe/events.ts'
const LINES = 'packages/sdk/src/observe/log-lines.ts'

/** docs/log-lines.md: every event, what is logged of it, and what it means. */
export const logLines: Page = { path: 'docs/log-lines.md', make: (root) => pageOf(root) }

function pageOf(root: string): string {
  const table = linesByType(parse(root, LINES))
  const groups = groupsOf(parse(root, EVENTS))
  const types = groups.flatMap(({ events }) => events.map(({ type }) => type))
  for (const type of table.keys()) {
    if (!types.includes(type))
      throw new Error(`${LINES} has a line of ${type}, which ${EVENTS} does not declare`)
  }
  return `# Log lines

${notice(LINES, EVENTS)}

One event, one line: what happened, to whom, and what happens next. \`<name>\` stands for a value. Fields are those of the
JSON line, beside the level, the time and the message; one without a value is left out. A client writes from level \`warn\`
on (option \`logger\`), the sidecar from \`info\` on (\`--log-level\`). To find a line, search this page for its message.

${groups.map((group) => section(group, table)).join('\n\n')}
`
}

interface Event extends UnionMemberWords {
  readonly type: string
}

interface UnionMemberWords {
  readonly meaning: string
}

interface Group {
  readonly title: string
  readonly about: string
  readonly events: readonly Event[]
}

/** The parts of the union of all events, in its order. */
function groupsOf(file: ts.SourceFile): readonly Group[] {
  return membersOf(typeAlias(file, 'FairleadEvent')).map(({ type }) => {
    const name = type.getText()
    const part = typeAlias(file, name)
    return {
      title: name.replace(/News$/, ''),
      about: commentOf(part).join('\n\n'),
      events: membersOf(part).flatMap(eventsOf),
    }
  })
}

/** One, or one for each name where several share a shape. */
function eventsOf({ type, comment }: UnionMember): readonly Event[] {
  const meaning = comment.join('\n\n')
  return typesOf(type).map((name) => ({ type: name, meaning }))
}

/** The values that `type` has, wherever in an intersection it is said. */
function typesOf(node: ts.Node): readonly string[] {
  if (ts.isPropertySignature(node) && node.name.getText() === 'type' && node.type !== undefined) {
    const said = ts.isUnionTypeNode(node.type) ? node.type.types : [node.type]
    return said.flatMap((one) => textOf(one) ?? [])
  }
  return children(node).flatMap(typesOf)
}

function children(node: ts.Node): readonly ts.Node[] {
  const found: ts.Node[] = []
  ts.forEachChild(node, (child) => void found.push(child))
  return found
}

/** Undefined: nothing is logged of it. */
function linesByType(file: ts.SourceFile): ReadonlyMap<string, readonly Line[] | undefined> {
  const value = constant(file, 'LOG_LINES')
  if (!ts.isObjectLiteralExpression(value)) throw new Error(`${LINES}: LOG_LINES is not an object literal`)
  return new Map(
    value.properties.map((property) => {
      if (!ts.isPropertyAssignment(property))
        throw new Error(`${LINES}: ${property.getText()} is not "type: line"`)
      const type = textOf(property.name) ?? property.name.getText()
      if (property.initializer.getText() === 'undefined') return [type, undefined]
      const lines = linesOf(property.initializer)
      if (lines.length === 0) throw new Error(`${LINES}: no line can be read of ${type}`)
      return [type, lines]
    }),
  )
}

function section(
  { title, about, events }: Group,
  table: ReadonlyMap<string, readonly Line[] | undefined>,
): string {
  return [`## ${title}`, about, ...events.map((event) => entry(event, table.get(event.type)))].join('\n\n')
}

function entry({ type, meaning }: Event, lines: readonly Line[] | undefined): string {
  const said =
    lines === undefined
      ? ['- Nothing is logged of it.']
      : [
          ...lines.map(({ level, message }) => `- **${level}**: ${code(message)}`),
          ...fieldsOf(lines).map((fields) => `- Fields: ${fields}`),
        ]
  return [`### \`${type}\``, meaning, said.join('\n')].filter((part) => part !== '').join('\n\n')
}

/** Those of all its lines. */
function fieldsOf(lines: readonly Line[]): readonly string[] {
  const names = new Set(lines.flatMap(({ fields }) => fields))
  return names.size === 0 ? [] : [[...names].map(code).join(', ')]
}
