import { create, toBinary } from '@bufbuild/protobuf'
import { fileDesc, serviceDesc, type GenService } from '@bufbuild/protobuf/codegenv2'
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
  MethodOptions_IdempotencyLevel,
  type StringValueSchema,
} from '@bufbuild/protobuf/wkt'

type Text = typeof StringValueSchema

const TEXT = '.google.protobuf.StringValue'

// What protoc-gen-es makes of a .proto file, without protoc.
const file = create(FileDescriptorProtoSchema, {
  name: 'orders/v1/orders.proto',
  package: 'orders.v1',
  syntax: 'proto3',
  dependency: ['google/protobuf/wrappers.proto'],
  service: [
    {
      name: 'Orders',
      method: [
        {
          name: 'Get',
          inputType: TEXT,
          outputType: TEXT,
          options: { idempotencyLevel: MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS },
        },
        { name: 'Post', inputType: TEXT, outputType: TEXT },
        { name: 'Watch', inputType: TEXT, outputType: TEXT, serverStreaming: true },
      ],
    },
  ],
})

/** A service of Connect. */
export const Orders: GenService<{
  get: { methodKind: 'unary'; input: Text; output: Text }
  post: { methodKind: 'unary'; input: Text; output: Text }
  watch: { methodKind: 'server_streaming'; input: Text; output: Text }
}> = serviceDesc(
  fileDesc(Buffer.from(toBinary(FileDescriptorProtoSchema, file)).toString('base64'), [
    file_google_protobuf_wrappers,
  ]),
  0,
)
