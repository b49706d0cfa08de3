// A state that came from another member, read and checked: what takes the store's place.

import API

/// A whole state in a file beside the store's, durable, with its key index built.
///
/// `@unchecked Sendable` is sound: it is made on one thread and handed on; the contents are taken
/// out once, by the store that becomes it, and nothing else of it changes.
package final class IncomingStore: @unchecked Sendable {
    package let description: SnapshotDescription
    package let summary: StoreSummary
    /// From the first chunk until it was durable, and how much of that the disk took to sync.
    package let nanoseconds: (total: UInt64, sync: UInt64)
    let file: IncomingFile
    let size: BackendSize
    private var contents: StoreContents?

    init(
        _ description: SnapshotDescription, _ file: IncomingFile, size: BackendSize,
        contents: consuming StoreContents, nanoseconds: (total: UInt64, sync: UInt64)
    ) {
        self.description = description
        self.file = file
        self.size = size
        self.nanoseconds = nanoseconds
        summary = contents.summary
        self.contents = consume contents
    }

    /// Once.
    func takeContents() -> StoreContents {
        var taken: StoreContents?
        swap(&taken, &contents)
        guard let taken else { preconditionFailure("a state is put in place twice") }
        return taken
    }

    /// It is not needed: its file goes. Blocks.
    package func discard() { file.removeIncoming() }

    /// Calls `visit` with the records of `table` in order of their keys, until it says false. The
    /// bytes are valid during the call only.
    package func scan(
        _ table: Table,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(StoreError) {
        try backend { () throws(BackendError) in
            try ReadTransaction(file.environment).forEach(in: table, visit)
        }
    }
}
