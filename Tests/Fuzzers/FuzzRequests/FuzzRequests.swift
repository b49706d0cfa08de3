// libFuzzer's program for the decoder of requests.

import Fuzzing

// libFuzzer calls from one thread.
nonisolated(unsafe) private let target = RequestTarget()

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzRequests(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do { try target.run(UnsafeRawBufferPointer(start: start, count: count)) } catch {
        fatalError("\(error)")
    }
    return 0
}
