// Stores whose files are to be damaged.

import API
import TestSupport
import Testing

@testable import Storage

/// A store with a record in every table, of which all is on disk.
func filledStore() throws -> StoreHarness {
    let harness = try StoreHarness()
    for value in ["one", "two", "three"] {
        try harness.apply { store in
            _ = try store.put("a", value)
            _ = try store.put("b", value, lease: 3)
        }
    }
    try harness.apply { _ = try $0.delete(KeyRange("b")) }
    try harness.apply { store in
        for table in Table.allCases where table != .key && table != .meta {
            for name in ["p", "q"] {
                try store.write(
                    table, key: Array(name.utf8), value: Array("\(table.name) \(name)".utf8))
            }
        }
        store.setConfState(ConfState(voters: [MemberID(1)]))
    }
    harness.commit()
    return harness
}

func places(_ harness: StoreHarness) throws -> [StoredPlace] {
    try StoreFile(harness.configuration.path).places()
}

func isDamage(_ error: (any Error)?) -> Bool {
    switch error as? StoreError {
    case .backend(let error): error.kind == .damaged
    case .damaged: true
    default: false
    }
}

func failureAnswered<Value>(_ answers: Answers<Result<Value, StoreError>>) -> StoreError? {
    guard case .failure(let error)? = answers.last else { return nil }
    return error
}
