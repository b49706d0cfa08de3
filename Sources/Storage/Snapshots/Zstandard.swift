// Compression of single blocks, each a zstd frame of its own, with memory that is kept from one
// block to the next.

import API
import CZstd
import Glibc

/// Compresses blocks. Stays with its owner; its memory depends on the level only.
///
/// Level 1: a snapshot should cost the members that serve meanwhile as little as can be, and zstd
/// gains most of what there is to gain at its fastest.
final class ZstandardCompressor {
    private let context: OpaquePointer
    private let level: Int32

    init(level: Int32 = 1) {
        // It asks for memory only.
        guard let context = ZSTD_createCCtx() else { preconditionFailure("out of memory") }
        self.context = context
        self.level = level
    }

    deinit { ZSTD_freeCCtx(context) }

    /// What a block of `count` bytes can come to at most.
    static func bound(of count: Int) -> Int { ZSTD_compressBound(count) }

    /// Compresses `block` to the beginning of `target`, which has room for `bound(of:)` it.
    /// - Returns: how many bytes it took.
    func compress(_ block: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer) -> Int
    {
        precondition(target.count >= Self.bound(of: block.count))
        let count = ZSTD_compressCCtx(
            context, target.baseAddress, target.count, block.baseAddress, block.count, level)
        precondition(ZSTD_isError(count) == 0, "a block that fits cannot fail to be compressed")
        return count
    }
}

/// Reads blocks that may come from anybody. Stays with its owner.
///
/// A frame says how much memory it wants to be decoded; here it gets its target and no more, since
/// a frame that is decoded in one call needs no window of its own.
final class ZstandardDecompressor {
    private let context: OpaquePointer

    init() {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("out of memory") }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    /// Fills `target` from the one frame that `block` is.
    /// - Returns: whether it is one, and fills `target` exactly. If not, what is in `target` means
    ///   nothing.
    func decompress(
        _ block: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard let start = block.baseAddress,
            ZSTD_findFrameCompressedSize(start, block.count) == block.count
        else { return false }
        let count = ZSTD_decompressDCtx(
            context, target.baseAddress, target.count, start, block.count)
        return ZSTD_isError(count) == 0 && count == target.count
    }
}
