// libFuzzer's program for the evaluation of transactions.

import Fuzzing

// libFuzzer calls from one thread.
nonisolated(unsafe) private let target = Result { try TxnTarget() }

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzTxn(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    do { try target.get().run(UnsafeRawBufferPointer(start: start, count: count)) } catch {
        fatalError("\(error)")
    }
    return 0
}
