// When a comparison of a transaction holds (reference: semantics.md, Txn).

import API
import Storage

extension Compare {
    /// Whether it holds where the key has `number` for what `target` names.
    func holds(for number: Int64) -> Bool {
        accepts(number < operandNumber ? -1 : number > operandNumber ? 1 : 0)
    }

    /// The same for a value.
    func holds(forValue value: UnsafeRawBufferPointer) -> Bool {
        accepts(Bytes.compare(value, operandBytes))
    }

    /// Whether it holds where no key is: all its numbers are 0, and a value it has not got is
    /// neither equal nor unequal to any.
    var holdsForNone: Bool { target == .value ? false : holds(for: 0) }

    /// - Parameter order: below, at or above zero as what is stored is to what was given.
    private func accepts(_ order: Int) -> Bool {
        switch result {
        case .equal: order == 0
        case .notEqual: order != 0
        case .greater: order > 0
        case .less: order < 0
        // As etcd takes a number that its schema does not know.
        case nil: true
        }
    }

    /// Counts only if it is what `target` asks about; else the stored number is compared with 0.
    private var operandNumber: Int64 {
        switch (target, operand) {
        case (.version, .version(let version)): version
        case (.create, .createRevision(let revision)): revision.rawValue
        case (.mod, .modRevision(let revision)): revision.rawValue
        case (.lease, .lease(let lease)): lease.rawValue
        default: 0
        }
    }

    private var operandBytes: UnsafeRawBufferPointer {
        if case .value(let bytes) = operand { bytes } else { .init(start: nil, count: 0) }
    }
}

extension MVCCStore {
    /// Whether the keys as they are now meet `compare`, each of them if it names a range.
    func holds(_ compare: Compare) throws(StoreError) -> Bool {
        var found = false
        var holds = true
        try forEachVersion(in: KeyBounds(key: compare.key, rangeEnd: compare.rangeEnd)) {
            (version) throws(StoreError) in
            found = true
            holds = try self.holds(compare, for: version)
            return holds
        }
        return found ? holds : compare.holdsForNone
    }

    private func holds(
        _ compare: Compare, for version: IndexedVersion
    ) throws(StoreError) -> Bool {
        switch compare.target {
        case .version: compare.holds(for: version.version)
        case .create: compare.holds(for: version.created.rawValue)
        case .mod: compare.holds(for: version.modified.main.rawValue)
        case .value: compare.holds(forValue: try pair(at: version.modified).value)
        case .lease: compare.holds(for: try pair(at: version.modified).lease.rawValue)
        // As etcd takes a target that its schema does not know: nothing differs.
        case nil: compare.holds(for: 0)
        }
    }
}
