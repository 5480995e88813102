// SPDX-License-Identifier: Apache-2.0
// The two services of the in-sandbox API, described for a Connect client. JSON knows fields by their names: their numbers here
// need only differ, and the members of a oneof are fields like others.

import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FileDescriptorProtoSchema, file_google_protobuf_timestamp } from '@bufbuild/protobuf/wkt'

const optional = 1, repeated = 3
const message = 11, enumeration = 14
const scalars = { int64: 3, bool: 8, string: 9, bytes: 12, uint32: 13, sint32: 17 }

// "name:type", with a * when there are many. A type with a dot is of another file.
function field(text, index, home, enums) {
  const [, name, type, many] = /^(\w+):([\w.]+)(\*?)$/.exec(text)
  const kind = scalars[type] ?? (enums[type] ? enumeration : message)
  const typeName = scalars[type] ? '' : type.includes('.') ? `.${type}` : `.${home}.${type}`
  const jsonName = name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
  return { name, jsonName, number: index + 1, type: kind, typeName, label: many ? repeated : optional }
}

const words = (text) => text.split(' ').filter(Boolean)

// Messages by name with their fields, methods with "Request Response" (a * when it is a stream), enumerations with values.
function service(name, messages, methods, enums) {
  const home = name.split('.')[0]
  const file = create(FileDescriptorProtoSchema, {
    name: `${home}.proto`,
    package: home,
    syntax: 'editions',
    edition: 1000, // 2023, in which a field is there or not, also when it is 0
    dependency: [file_google_protobuf_timestamp.proto.name],
    messageType: Object.entries(messages).map(([name, fields]) => ({
      name,
      field: words(fields).map((text, index) => field(text, index, home, enums)),
      options: fields.startsWith('key:') ? { mapEntry: true } : undefined, // a map is many of them
    })),
    enumType: Object.entries(enums).map(([name, values]) => ({
      name,
      value: Object.entries(values).map(([name, number]) => ({ name, number })),
    })),
    service: [
      {
        name: name.split('.')[1],
        method: Object.entries(methods).map(([name, types]) => {
          const [inputType, outputType] = words(types).map((type) => `.${home}.${type.replace('*', '')}`)
          return { name, inputType, outputType, clientStreaming: types.includes('* '), serverStreaming: types.endsWith('*') }
        }),
      },
    ],
  })
  return createFileRegistry(file, (name) => {
    if (name === file_google_protobuf_timestamp.proto.name) return file_google_protobuf_timestamp
  }).getService(name)
}

export const Process = service(
  'process.Process',
  {
    Nothing: '',
    Size: 'cols:uint32 rows:uint32',
    Terminal: 'size:Size',
    EnvsEntry: 'key:string value:string',
    Config: 'cmd:string args:string* envs:EnvsEntry* cwd:string',
    Selector: 'pid:uint32 tag:string',
    One: 'process:Selector',
    Info: 'config:Config pid:uint32 tag:string',
    List: 'processes:Info*',
    StartRequest: 'process:Config pty:Terminal tag:string stdin:bool',
    Started: 'pid:uint32',
    Data: 'stdout:bytes stderr:bytes pty:bytes',
    End: 'exit_code:sint32 exited:bool status:string error:string',
    Event: 'start:Started data:Data end:End keepalive:Nothing',
    Events: 'event:Event',
    Update: 'process:Selector pty:Terminal',
    Input: 'stdin:bytes pty:bytes',
    SendInput: 'process:Selector input:Input',
    StreamInput: 'start:One data:SendInput keepalive:Nothing',
    SendSignal: 'process:Selector signal:Signal',
  },
  {
    List: 'Nothing List',
    Start: 'StartRequest Events*',
    Connect: 'One Events*',
    Update: 'Update Nothing',
    SendInput: 'SendInput Nothing',
    StreamInput: 'StreamInput* Nothing',
    SendSignal: 'SendSignal Nothing',
    CloseStdin: 'One Nothing',
    NotThere: 'Nothing Nothing',
    NotThereEither: 'Nothing Nothing*',
  },
  { Signal: { SIGNAL_UNSPECIFIED: 0, SIGNAL_SIGKILL: 9, SIGNAL_SIGTERM: 15 } },
)

export const Filesystem = service(
  'filesystem.Filesystem',
  {
    Nothing: '',
    Path: 'path:string',
    MetadataEntry: 'key:string value:string',
    Entry:
      'name:string type:FileType path:string size:int64 mode:uint32 permissions:string owner:string group:string ' +
      'modified_time:google.protobuf.Timestamp symlink_target:string metadata:MetadataEntry*',
    OneEntry: 'entry:Entry',
    Move: 'source:string destination:string',
    ListDir: 'path:string depth:uint32',
    Entries: 'entries:Entry*',
    Watch: 'path:string recursive:bool include_entry:bool allow_network_mounts:bool',
    Event: 'name:string type:EventType entry:Entry',
    WatchEvents: 'start:Nothing filesystem:Event keepalive:Nothing',
    Watcher: 'watcher_id:string',
    Events: 'events:Event*',
  },
  {
    Stat: 'Path OneEntry',
    MakeDir: 'Path OneEntry',
    Move: 'Move OneEntry',
    ListDir: 'ListDir Entries',
    Remove: 'Path Nothing',
    WatchDir: 'Watch WatchEvents*',
    CreateWatcher: 'Watch Watcher',
    GetWatcherEvents: 'Watcher Events',
    RemoveWatcher: 'Watcher Nothing',
  },
  {
    FileType: { FILE_TYPE_UNSPECIFIED: 0, FILE_TYPE_FILE: 1, FILE_TYPE_DIRECTORY: 2, FILE_TYPE_SYMLINK: 3 },
    EventType: {
      EVENT_TYPE_UNSPECIFIED: 0,
      EVENT_TYPE_CREATE: 1,
      EVENT_TYPE_WRITE: 2,
      EVENT_TYPE_REMOVE: 3,
      EVENT_TYPE_RENAME: 4,
      EVENT_TYPE_CHMOD: 5,
    },
  },
)
