// libFuzzer's program for what clients say of who they are.

import Fuzzing

// libFuzzer calls from one thread.
nonisolated(unsafe) private let target = Result { try TokenTarget() }

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTokens(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do { try target.get().run(UnsafeRawBufferPointer(start: start, count: count)) } catch {
        fatalError("\(error)")
    }
    return 0
}
