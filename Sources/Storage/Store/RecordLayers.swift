// Where a revision's record lies: in the buffer that applies append to, in the one a commit is
// writing out, or in the file. A reader cannot tell which.
//
// At every moment each record is in exactly the layers that can be read: a buffer is let go only
// after the view of the file has moved to the commit that holds it.

import API

struct RecordLayers: ~Copyable {
    private(set) var active = RevisionBuffer()
    private(set) var committing: SealedRevisions?
    private(set) var environment: Environment
    private var view: ReadTransaction

    init(_ environment: Environment) throws(BackendError) {
        self.environment = environment
        view = try ReadTransaction(environment)
    }

    /// Bytes of the messages that are not in the file yet.
    var byteCount: Int { active.byteCount + (committing?.buffer.byteCount ?? 0) }

    /// Appends a change, younger than all others. What `write` appends must not lie in the layers.
    @inline(__always)
    mutating func append(_ key: RecordKey, _ write: (inout ByteBuffer) -> Void) {
        active.append(key, write)
    }

    /// The message of the put at `position`, nil if there is no such record. Valid until the next
    /// change of the layers.
    @inline(__always)
    func encoded(
        _ position: RevisionPosition, isTombstone: Bool = false
    ) throws(BackendError) -> UnsafeRawBufferPointer? {
        if active.reaches(backTo: position) { return active.find(position) }
        if let buffer = committing, buffer.buffer.reaches(backTo: position) {
            return buffer.buffer.find(position)
        }
        let key = RecordKey(position, isTombstone: isTombstone)
        return try RecordKey.Encoded(key).withBytes { (key) throws(BackendError) in
            try view.get(.key, key)
        }
    }

    /// Calls `visit` with the records of revision `from` and later, by age, until it says false.
    /// The bytes are valid during the call only.
    func forEach(
        from revision: Revision,
        _ visit: (RecordKey, _ encoded: UnsafeRawBufferPointer) throws(StoreError) -> Bool
    ) throws(StoreError) {
        let start = RevisionPosition(main: revision, sub: 0)
        let isInMemory =
            active.reaches(backTo: start) || committing?.buffer.reaches(backTo: start) == true
        if !isInMemory, try !forEachInFile(from: start, visit) { return }
        if let committing, try !committing.buffer.forEach(from: start, visit) { return }
        _ = try active.forEach(from: start, visit)
    }

    /// - Returns: false when `visit` has said so.
    private func forEachInFile(
        from start: RevisionPosition,
        _ visit: (RecordKey, _ encoded: UnsafeRawBufferPointer) throws(StoreError) -> Bool
    ) throws(StoreError) -> Bool {
        var failure: StoreError?
        var goesOn = true
        try backend { () throws(BackendError) in
            try view.forEach(in: .key, from: RecordKey(start).encoded) { key, encoded in
                do throws(StoreError) {
                    guard let record = RecordKey(decoding: key) else {
                        throw .damaged(place: "key \([UInt8](key))", reason: "not a revision key")
                    }
                    goesOn = try visit(record, encoded)
                } catch {
                    failure = error
                    goesOn = false
                }
                return goesOn
            }
        }
        if let failure { throw failure }
        return goesOn
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

    /// Reads another file from now on, which holds the same.
    /// - Returns: the environment that was read until now, for whoever closes it.
    mutating func move(to environment: Environment) throws(BackendError) -> Environment {
        let old = self.environment
        view = try ReadTransaction(environment)
        self.environment = environment
        return old
    }

    /// Another view of the file as of the last commit.
    func newView() throws(BackendError) -> ReadTransaction { try ReadTransaction(environment) }

    /// All records of `table`, as of the last finished commit.
    func scan(
        _ table: Table,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        try view.forEach(in: table, visit)
    }

    /// Records of table `key` from `start` on, as of the last finished commit.
    func scanRevisions(
        from start: RecordKey,
        _ visit: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool
    ) throws(BackendError) {
        try view.forEach(in: .key, from: start.encoded, visit)
    }
}
