import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'

/** A source file as the compiler reads it: its tree, and its text for what the tree leaves out. */
export function parse(root: string, path: string): ts.SourceFile {
  return ts.createSourceFile(path, readFileSync(join(root, path), 'utf8'), ts.ScriptTarget.ES2023, true)
}

/** The declaration of a type, wherever it stands in the file. */
export function typeAlias(file: ts.SourceFile, name: string): ts.TypeAliasDeclaration {
  const found = file.statements.find(
    (statement) => ts.isTypeAliasDeclaration(statement) && statement.name.text === name,
  )
  if (found === undefined) throw new Error(`${file.fileName} declares no type ${name}`)
  return found as ts.TypeAliasDeclaration
}

/** The value of a constant of the module. */
export function constant(file: ts.SourceFile, name: string): ts.Expression {
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue
    for (const { name: declared, initializer } of statement.declarationList.declarations) {
      if (declared.getText() === name && initializer !== undefined) return initializer
    }
  }
  throw new Error(`${file.fileName} has no constant ${name}`)
}

/** A member of a union, with the comment before it: the compiler keeps comments of declarations only. */
export interface UnionMember {
  readonly type: ts.TypeNode
  /** Its paragraphs. */
  readonly comment: readonly string[]
}

/** The members of a union; of what is not one, itself. */
export function membersOf({ type }: ts.TypeAliasDeclaration): readonly UnionMember[] {
  const file = type.getSourceFile()
  const types = ts.isUnionTypeNode(type) ? [...type.types] : [type]
  let from = type.getFullStart()
  return types.map((member) => {
    const comment = commentIn(file.text.slice(from, member.getStart(file, false)))
    from = member.end
    return { type: member, comment }
  })
}

/** The paragraphs of what a declaration is documented by. */
export function commentOf(node: ts.Node): readonly string[] {
  return commentIn(node.getFullText().slice(0, node.getLeadingTriviaWidth()))
}

/** Of the last documentation comment in a text, its paragraphs; without tags and links, which only an editor shows. */
function commentIn(text: string): readonly string[] {
  const [, comment = ''] = /\/\*\*((?:(?!\/\*\*)[\s\S])*?)\*\/\s*\|?\s*$/.exec(text) ?? []
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\*? ?/, '').trim())
  const tag = lines.findIndex((line) => line.startsWith('@'))
  return (tag < 0 ? lines : lines.slice(0, tag))
    .join('\n')
    .split(/\n{2,}/)
    .map((paragraph) => paragraph.trim().replaceAll('\n', ' '))
    .map((paragraph) => paragraph.replace(/\{@link (?:[^}|]*\| *)?([^}]+)\}/g, '`$1`'))
    .filter((paragraph) => paragraph !== '')
}

/** The text of a literal, such as the value of `type` in a member of a tagged union. */
export function textOf(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined
  if (ts.isLiteralTypeNode(node)) return textOf(node.literal)
  return ts.isStringLiteralLike(node) ? node.text : undefined
}
