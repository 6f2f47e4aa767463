/** What a module may keep, and why that is one for the process. */
export const stateOf = {
  'packages/sdk/src/discovery/process-resolvers.ts': {
    names: ['ofConsul', 'watches', 'ofOthers'],
    reason: 'clients made in different places of a program meet here, so that a service costs one watch',
  },
  'packages/sdk/src/process-budgets.ts': {
    names: ['ofResolvers'],
    reason: 'clients of one service made in different places of a program share the budget that protects it',
  },
  'packages/sdk/src/registration/process-ids.ts': {
    names: ['taken'],
    reason: 'what is registered with one agent under one id is one thing, wherever in a program it is done',
  },
  'packages/sdk/src/logger.ts': {
    names: ['shared'],
    reason: 'made once: the default logger, a stream with hooks for the exit, which never changes afterwards',
  },
  'packages/sdk/src/hashing/xxh64.ts': {
    names: ['core'],
    reason:
      'made once: a memory of WebAssembly, which costs gigabytes of addresses, and in which nothing outlives a call',
  },
  'packages/sdk/src/deadline/current-deadline.ts': {
    names: ['storage'],
    reason: 'made once, when the first deadline is bound: what has none should not pay for those that have',
  },
  'packages/sidecar/src/proxy/end-of-turn.ts': {
    names: ['due'],
    reason: 'a turn of the event loop is one for the process, and what is due in it is gone at its end',
  },
}

/** Options: what this file may keep. Sees variables, collections, static fields, and objects that are assigned to. */
export const moduleStateRule = {
  meta: {
    type: 'problem',
    schema: [{ type: 'array', items: { type: 'string' } }],
    messages: {
      state:
        "Modules have no mutable state, and '{{name}}' is some: give it an owner, or make it readonly (lint/module-state.js).",
      gone: "lint/module-state.js excepts '{{name}}', which is no state of this module: remove it there.",
    },
  },
  create(context) {
    const excepted = context.options[0] ?? []
    const found = new Set()
    const report = (node, name) => {
      found.add(name)
      if (!excepted.includes(name)) context.report({ node, messageId: 'state', data: { name } })
    }
    return {
      Program(program) {
        for (const statement of program.body) {
          const declaration = statement.declaration ?? statement
          if (declaration.type !== 'VariableDeclaration' || declaration.declare === true) continue
          for (const declarator of declaration.declarations) {
            const names = context.sourceCode.getDeclaredVariables(declarator)
            const mutable =
              declaration.kind !== 'const' || isMutable(declarator.init, declarator.id.typeAnnotation)
            for (const variable of names) {
              if (mutable || variable.references.some(isWrittenTo)) report(declarator, variable.name)
            }
          }
        }
      },
      'PropertyDefinition[static=true]'(field) {
        if (!field.readonly || isMutable(field.value, field.typeAnnotation)) {
          report(field, context.sourceCode.getText(field.key))
        }
      },
      'Program:exit'(node) {
        for (const name of excepted) {
          if (!found.has(name)) context.report({ node, messageId: 'gone', data: { name } })
        }
      },
    }
  },
}

// Nothing in them changes. AsyncResource: it refers to the context in which it was made, for good.
const UNCHANGING = new Set(['AsyncResource', 'Error', 'RegExp', 'TextDecoder', 'TextEncoder'])

function isMutable(value, annotation) {
  if (value?.type === 'TSSatisfiesExpression') return isMutable(value.expression, annotation)
  if (value?.type === 'TSAsExpression') {
    if (value.typeAnnotation.typeName?.name === 'const') return false
    return isMutable(value.expression, value)
  }
  if (value?.type !== 'NewExpression' && value?.type !== 'ArrayExpression') return false
  return !isReadonly(annotation?.typeAnnotation) && !UNCHANGING.has(value.callee?.name)
}

function isReadonly(type) {
  return type?.operator === 'readonly' || /^Readonly/.test(type?.typeName?.name ?? '')
}

/** `state.a.b = 1`, `state[0]++`, `delete state.a`. */
function isWrittenTo({ identifier }) {
  let node = identifier
  while (node.parent.type === 'MemberExpression' && node.parent.object === node) node = node.parent
  if (node === identifier) return false
  const { parent } = node
  if (parent.type === 'AssignmentExpression') return parent.left === node
  return (
    parent.type === 'UpdateExpression' || (parent.type === 'UnaryExpression' && parent.operator === 'delete')
  )
}
