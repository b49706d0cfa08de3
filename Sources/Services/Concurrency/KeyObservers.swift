// Who waits for a key to be deleted, or follows the keys under a prefix: calls of Lock and Election.
//
// What an entry does is noted while it is applied; the observers are called once it is. Nothing is
// looked up while nobody observes.

import API

/// The observers of the applied state. Confined to its executor.
struct KeyObservers {
    typealias Action = (isolated Applier) -> Void

    /// Names one observer.
    struct Token: Hashable, Comparable {
        fileprivate let number: Int
        static func < (a: Self, b: Self) -> Bool { a.number < b.number }
    }

    private enum Place {
        /// Until it is deleted.
        case key([UInt8])
        /// Whatever happens to a key that begins so. Ends in a slash.
        case prefix([UInt8])
    }

    private var observers: [Token: (place: Place, action: Action)] = [:]
    private var keys: [[UInt8]: Set<Token>] = [:]
    private var prefixes: [[UInt8]: Set<Token>] = [:]
    private var due: Set<Token> = []
    private var made = 0

    var isEmpty: Bool { observers.isEmpty }
    var hasDue: Bool { !due.isEmpty }

    // MARK: Observing

    /// Calls `action` once, after the entry that deletes `key`.
    mutating func onDeletion(of key: [UInt8], _ action: @escaping Action) -> Token {
        let token = add(.key(key), action)
        keys[key, default: []].insert(token)
        return token
    }

    /// Calls `action` after every entry that puts or deletes a key under `prefix`, until `remove`.
    /// - Parameter prefix: ends in a slash.
    mutating func onChange(under prefix: [UInt8], _ action: @escaping Action) -> Token {
        precondition(prefix.last == Self.slash, "a prefix without end")
        let token = add(.prefix(prefix), action)
        prefixes[prefix, default: []].insert(token)
        return token
    }

    mutating func remove(_ token: Token) {
        due.remove(token)
        switch observers.removeValue(forKey: token)?.place {
        case .key(let key): Self.remove(token, at: key, from: &keys)
        case .prefix(let prefix): Self.remove(token, at: prefix, from: &prefixes)
        case nil: break
        }
    }

    private mutating func add(_ place: Place, _ action: @escaping Action) -> Token {
        made += 1
        let token = Token(number: made)
        observers[token] = (place, action)
        return token
    }

    private static func remove(
        _ token: Token, at place: [UInt8], from table: inout [[UInt8]: Set<Token>]
    ) {
        guard var tokens = table.removeValue(forKey: place) else { return }
        tokens.remove(token)
        if !tokens.isEmpty { table[place] = tokens }
    }

    // MARK: Changes

    mutating func put(_ key: UnsafeRawBufferPointer) {
        if !prefixes.isEmpty { noteChange(under: key) }
    }

    mutating func deleted(_ key: UnsafeRawBufferPointer) {
        if !keys.isEmpty, let waiting = keys[[UInt8](key)] { due.formUnion(waiting) }
        if !prefixes.isEmpty { noteChange(under: key) }
    }

    /// Another state took the place of this one: whatever is observed may have happened. An action
    /// looks at the state itself, so that it may be called for nothing.
    mutating func replaced() { due = Set(observers.keys) }

    private static let slash = UInt8(ascii: "/")

    private mutating func noteChange(under key: UnsafeRawBufferPointer) {
        for (place, byte) in key.enumerated() where byte == Self.slash {
            if let observing = prefixes[[UInt8](key[...place])] { due.formUnion(observing) }
        }
    }

    /// The actions whose time has come, the oldest observer first; those of one key are removed.
    mutating func takeDue() -> [Action] {
        let tokens = due.sorted()
        due = []
        return tokens.compactMap { token in
            guard let observer = observers[token] else { return nil }
            if case .key = observer.place { remove(token) }
            return observer.action
        }
    }
}

extension Applier {
    /// Called after every entry.
    func callObservers() {
        guard observers.hasDue else { return }
        for action in observers.takeDue() { action(self) }
    }
}
