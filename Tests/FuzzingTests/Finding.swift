// What a fuzz target says when a rule does not hold.

/// A rule that some input breaks. libFuzzer's programs die of it, tests fail.
struct Finding: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Throws a finding unless `condition` holds.
func demand(_ condition: Bool, _ rule: @autoclosure () -> String) throws(Finding) {
    if !condition { throw Finding(rule()) }
}

/// A fuzz target: takes any bytes, and throws only when Cairn is wrong about them.
package protocol FuzzTarget: AnyObject {
    init() throws
    func run(_ input: UnsafeRawBufferPointer) throws
}
