import ts from 'typescript'

/** A line of the log as the source text of its function has it. */
export interface Line {
  readonly level: string
  /** With `<name>` where a value stands. */
  readonly message: string
  readonly fields: readonly string[]
}

/** By the names of the functions that make a line. */
const LEVELS: Readonly<Record<string, string>> = {
  debugLine: 'debug',
  infoLine: 'info',
  warnLine: 'warn',
  errorLine: 'error',
}

/**
 * The lines that a function of `LOG_LINES` can make, in the order of the text: every call of `warnLine(fields, message)` and its
 * likes in it, and each message once for each way that its conditions can go.
 */
export function linesOf(node: ts.Node): readonly Line[] {
  const lines: Line[] = []
  const visit = (child: ts.Node): void => {
    if (ts.isCallExpression(child)) lines.push(...linesOfCall(child))
    ts.forEachChild(child, visit)
  }
  visit(node)
  return lines
}

function linesOfCall({ expression, arguments: [fields, message] }: ts.CallExpression): readonly Line[] {
  const level = LEVELS[expression.getText()]
  if (level === undefined || fields === undefined || message === undefined) return []
  const names = fieldNames(fields)
  return messagesOf(message).map((text) => ({ level, message: text, fields: names }))
}

/** Every text that an expression can be. */
function messagesOf(node: ts.Expression): readonly string[] {
  if (ts.isStringLiteralLike(node)) return [node.text]
  if (ts.isParenthesizedExpression(node)) return messagesOf(node.expression)
  if (ts.isConditionalExpression(node)) return [...messagesOf(node.whenTrue), ...messagesOf(node.whenFalse)]
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return joined([messagesOf(node.left), messagesOf(node.right)])
  }
  if (ts.isTemplateExpression(node)) {
    return joined([
      [node.head.text],
      ...node.templateSpans.flatMap(({ expression, literal }) => [messagesOf(expression), [literal.text]]),
    ])
  }
  if (ts.isIdentifier(node)) {
    const value = valueOf(node)
    if (value !== undefined) return messagesOf(value)
  }
  return [`<${placeholder(node)}>`]
}

/** All combinations, each part after the one before. */
function joined(parts: readonly (readonly string[])[]): readonly string[] {
  return parts.reduce<readonly string[]>(
    (texts, endings) => texts.flatMap((text) => endings.map((ending) => text + ending)),
    [''],
  )
}

/** What stands for a value: of a call, such as one that formats it, what it is given. */
function placeholder(node: ts.Expression): string {
  if (ts.isCallExpression(node)) {
    const [given] = node.arguments
    return given === undefined ? placeholder(node.expression) : placeholder(given)
  }
  if (ts.isPropertyAccessExpression(node)) return `${placeholder(node.expression)}.${node.name.text}`
  return node.getText().replace(/\s+/g, ' ')
}

function fieldNames(node: ts.Expression): readonly string[] {
  if (ts.isIdentifier(node)) {
    const value = valueOf(node)
    return value === undefined ? [] : fieldNames(value)
  }
  if (!ts.isObjectLiteralExpression(node)) return []
  return node.properties.flatMap((property) =>
    ts.isSpreadAssignment(property) ? fieldNames(property.expression) : [property.name.getText()],
  )
}

/** The value of a constant, of the nearest block that declares it or of the module. */
function valueOf(name: ts.Identifier): ts.Expression | undefined {
  for (let at: ts.Node = name; !ts.isSourceFile(at); at = at.parent) {
    const scope = at.parent
    const statements = ts.isBlock(scope) || ts.isSourceFile(scope) ? scope.statements : []
    for (const statement of statements) {
      if (!ts.isVariableStatement(statement)) continue
      const found = statement.declarationList.declarations.find((one) => one.name.getText() === name.text)
      if (found?.initializer !== undefined) return found.initializer
    }
  }
  return undefined
}
