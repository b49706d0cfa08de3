// The metadata of a call in one reused block of memory: most calls are never asked for it.

/// Name and value pairs, in the order they came.
struct MetadataStore {
    private struct Entry {
        let start: Int
        let nameCount: Int
        let valueCount: Int
    }
    private var bytes: [UInt8] = []
    private var entries: [Entry] = []

    init() {}

    var isEmpty: Bool { entries.isEmpty }

    mutating func reset() {
        bytes.removeAll(keepingCapacity: bytes.count < 4096)
        entries.removeAll(keepingCapacity: true)
    }

    mutating func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        entries.append(Entry(start: bytes.count, nameCount: name.count, valueCount: value.count))
        bytes.append(contentsOf: name)
        bytes.append(contentsOf: value)
    }

    /// Calls `body` with the first value of `name`, valid during the call, or nil.
    func visitFirst(_ name: StaticString, _ body: (UnsafeRawBufferPointer?) -> Void) {
        bytes.withUnsafeBytes { bytes in
            for entry in entries where entry.nameCount == name.utf8CodeUnitCount {
                let end = entry.start + entry.nameCount
                guard UnsafeRawBufferPointer(rebasing: bytes[entry.start..<end]).equals(name)
                else { continue }
                return body(
                    UnsafeRawBufferPointer(rebasing: bytes[end..<end + entry.valueCount]))
            }
            return body(nil)
        }
    }

    var all: [(name: String, value: [UInt8])] {
        entries.map { entry in
            let end = entry.start + entry.nameCount
            return (
                String(decoding: bytes[entry.start..<end], as: UTF8.self),
                Array(bytes[end..<end + entry.valueCount])
            )
        }
    }
}
