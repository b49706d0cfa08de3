// Where a revision's record lies: in the buffer that applies append to, in the one a commit is
// writing out, or in the file. A reader cannot tell which.
//
// At every moment each record is in exactly the layers that can be read: a buffer is let go only
// after the view of the file has moved to the commit that holds it.

import API

struct RecordLayers: ~Copyable {
    private(set) var active = RevisionBuffer()
    private(set) var committing: SealedRevisions?
    private var view: ReadTransaction

    init(_ environment: Environment) throws(BackendError) {
        view = try ReadTransaction(environment)
    }

    /// Appends a change, younger than all others. What `write` appends must not lie in the layers.
    @inline(__always)
    mutating func append(_ key: RecordKey, _ write: (inout ByteBuffer) -> Void) {
        active.append(key, write)
    }

    /// The message of the put at `position`, nil if there is no such record. Valid until the next
    /// change of the layers.
    @inline(__always)
    func encoded(
        _ position: RevisionPosition
    ) throws(BackendError) -> UnsafeRawBufferPointer? {
        if active.reaches(backTo: position) { return active.find(position) }
        if let buffer = committing, buffer.buffer.reaches(backTo: position) {
            return buffer.buffer.find(position)
        }
        return try RecordKey.Encoded(RecordKey(position)).withBytes { (key) throws(BackendError) in
            try view.get(.key, key)
        }
    }

    /// Hands over what applies have appended; a new buffer takes its place.
    mutating func seal() -> SealedRevisions {
        precondition(committing == nil, "one commit at a time")
        var sealed = RevisionBuffer()
        swap(&sealed, &active)
        let revisions = sealed.seal()
        committing = revisions
        return revisions
    }

    /// The commit is durable: the file has its records now.
    mutating func finishCommit() throws(BackendError) {
        try view.renew()
        committing = nil
    }

    /// The file as of the last finished commit.
    func scan(
        _ table: Table, from start: [UInt8]? = nil,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        try view.forEach(in: table, from: start, visit)
    }
}
