// Requests of KV as values: all fields of the schema, and numbers that are none of an enum's.

import API

/// Encodes what `write` appends.
func encoded(_ write: (inout ByteBuffer) -> Void) -> [UInt8] {
    var buffer = ByteBuffer()
    write(&buffer)
    return buffer.array
}

struct Put {
    var key: String
    var value = ""
    var lease: Int64 = 0
    var prevKV = false
    var ignoreValue = false
    var ignoreLease = false

    var encoded: [UInt8] {
        EndToEndTests.encoded {
            $0.appendField(1, string: key)
            $0.appendField(2, string: value)
            $0.appendField(3, int64: lease)
            $0.appendField(4, bool: prevKV)
            $0.appendField(5, bool: ignoreValue)
            $0.appendField(6, bool: ignoreLease)
        }
    }
}

struct Range {
    var key: String
    /// Empty for the single key, one zero byte for all from `key` on.
    var end = ""
    var limit: Int64 = 0
    var revision: Int64 = 0
    var sortOrder: UInt64 = 0
    var sortTarget: UInt64 = 0
    var isSerializable = false
    var keysOnly = false
    var countOnly = false
    var minModRevision: Int64 = 0
    var maxModRevision: Int64 = 0
    var minCreateRevision: Int64 = 0
    var maxCreateRevision: Int64 = 0

    var encoded: [UInt8] {
        EndToEndTests.encoded {
            $0.appendField(1, string: key)
            $0.appendField(2, string: end)
            $0.appendField(3, int64: limit)
            $0.appendField(4, int64: revision)
            $0.appendField(5, uint64: sortOrder)
            $0.appendField(6, uint64: sortTarget)
            $0.appendField(7, bool: isSerializable)
            $0.appendField(8, bool: keysOnly)
            $0.appendField(9, bool: countOnly)
            $0.appendField(10, int64: minModRevision)
            $0.appendField(11, int64: maxModRevision)
            $0.appendField(12, int64: minCreateRevision)
            $0.appendField(13, int64: maxCreateRevision)
        }
    }
}

struct Delete {
    var key: String
    var end = ""
    var prevKV = false

    var encoded: [UInt8] {
        EndToEndTests.encoded {
            $0.appendField(1, string: key)
            $0.appendField(2, string: end)
            $0.appendField(3, bool: prevKV)
        }
    }
}
