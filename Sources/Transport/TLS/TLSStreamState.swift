// What a TLS connection may do next: pure, so that each order of events can be tried.
//
//   handshaking -> open -> closing -> closed
//
// From each the way leads to closed when the stream below is gone. Input that has come may be kept
// while the handler does not read; its end is told only after it.

/// The life of a TLS connection.
struct TLSStreamState: Equatable {
    enum Phase: Equatable {
        case handshaking
        case open
        /// Our farewell is sent; what comes is thrown away.
        case closing
        case closed
    }

    /// What is to be done after an event.
    enum Step: Equatable {
        case nothing
        /// Decrypt what is there and hand it on.
        case decrypt
        /// Tell the handler that the other side sends no more.
        case tellEnd
        /// Go on with the handshake.
        case shakeHands
        /// Give the handshake up.
        case abort
    }

    private(set) var phase = Phase.handshaking
    /// Whether the handler wants input.
    private(set) var isReading = false
    /// The other side sends no more.
    private(set) var hasEnded = false
    private var hasToldEnd = false

    /// Whether input is decrypted as it comes.
    var decrypts: Bool { phase == .open && isReading }

    mutating func established() {
        precondition(phase == .handshaking, "a handshake is done once")
        phase = .open
    }

    /// Encrypted bytes have come.
    func receives() -> Step {
        switch phase {
        case .handshaking: .shakeHands
        case .open: isReading ? .decrypt : .nothing
        case .closing, .closed: .nothing
        }
    }

    mutating func resumes() -> Step {
        isReading = true
        return phase == .open ? .decrypt : .nothing
    }

    mutating func pauses() { isReading = false }

    /// The other side's farewell was read, or the stream below has ended without one. Both
    /// protocols above tell where a message ends, so that an end that somebody made up cuts none.
    mutating func ends() -> Step {
        hasEnded = true
        return phase == .handshaking ? .abort : .nothing
    }

    /// All input that has come was handed on.
    mutating func drained() -> Step {
        guard phase == .open, isReading, hasEnded, !hasToldEnd else { return .nothing }
        hasToldEnd = true
        return .tellEnd
    }

    /// - Returns: whether a farewell is due.
    mutating func closes() -> Bool {
        guard phase == .open || phase == .handshaking else { return false }
        let saysEnd = phase == .open
        phase = .closing
        return saysEnd
    }

    /// - Returns: false if it was gone before.
    mutating func isGone() -> Bool {
        guard phase != .closed else { return false }
        phase = .closed
        return true
    }
}
