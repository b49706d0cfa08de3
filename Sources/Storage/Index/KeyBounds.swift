import API

/// The keys a request means, as a view of bytes that somebody else keeps alive: no allocation.
package struct KeyBounds {
    package enum Upper {
        /// Only the key `lower`.
        case single
        /// No upper bound.
        case open
        /// Keys below this one.
        case before(UnsafeRawBufferPointer)
    }
    package let lower: UnsafeRawBufferPointer
    package let upper: Upper

    @inlinable package init(lower: UnsafeRawBufferPointer, upper: Upper) {
        self.lower = lower
        self.upper = upper
    }

    /// Whether no key can lie inside.
    var isEmpty: Bool {
        switch upper {
        case .single, .open: false
        case .before(let end): Bytes.compare(lower, end) >= 0
        }
    }
}

extension KeyRange {
    /// Calls `body` with a view of this range, valid during the call.
    package func withBounds<Result, Failure: Error>(
        _ body: (KeyBounds) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try key.withUnsafeBufferPointer { (key) throws(Failure) -> Result in
            let lower = UnsafeRawBufferPointer(key)
            switch end {
            case .singleKey: return try body(KeyBounds(lower: lower, upper: .single))
            case .open: return try body(KeyBounds(lower: lower, upper: .open))
            case .before(let end):
                return try end.withUnsafeBufferPointer { (end) throws(Failure) -> Result in
                    let upper = UnsafeRawBufferPointer(end)
                    return try body(KeyBounds(lower: lower, upper: .before(upper)))
                }
            }
        }
    }
}
