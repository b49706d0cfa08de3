// Header fields in the form nghttp2 takes, made once and used for every call.

import CNghttp2

/// An immutable list of header fields whose bytes live as long as the block.
///
/// `@unchecked Sendable`: the memory is written in init only, and nghttp2 only reads it.
final class HeaderBlock: @unchecked Sendable {
    let fields: UnsafeMutableBufferPointer<nghttp2_nv>
    private let storage: UnsafeMutableRawBufferPointer

    init(_ pairs: [(String, String)]) {
        let size = pairs.reduce(0) { $0 + $1.0.utf8.count + $1.1.utf8.count }
        storage = .allocate(byteCount: max(size, 1), alignment: 1)
        fields = .allocate(capacity: pairs.count)
        var place = 0
        func keep(_ text: String) -> UnsafeMutablePointer<UInt8> {
            let start = place
            for byte in text.utf8 {
                storage[place] = byte
                place += 1
            }
            // Sound: storage is never empty, and is bytes only.
            return storage.baseAddress.unsafelyUnwrapped.advanced(by: start)
                .assumingMemoryBound(to: UInt8.self)
        }
        // nghttp2 does not copy: a block must outlive the frames that are made of it.
        let flags = UInt8(
            NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
        for (index, (name, value)) in pairs.enumerated() {
            fields.initializeElement(
                at: index,
                to: nghttp2_nv(
                    name: keep(name), value: keep(value), namelen: name.utf8.count,
                    valuelen: value.utf8.count, flags: flags))
        }
    }

    deinit {
        fields.deallocate()
        storage.deallocate()
    }
}

/// Calls `body` with `pairs` as nghttp2 fields that nghttp2 copies.
func withHeaderFields<R>(
    _ pairs: [(String, String)], after block: HeaderBlock? = nil,
    _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> R
) -> R {
    var bytes: [UInt8] = []
    for (name, value) in pairs {
        bytes.append(contentsOf: name.utf8)
        bytes.append(contentsOf: value.utf8)
    }
    var fields = block.map { Array($0.fields) } ?? []
    return bytes.withUnsafeMutableBufferPointer { bytes in
        var place = bytes.baseAddress
        for (name, value) in pairs {
            let nameBytes = place
            place = place?.advanced(by: name.utf8.count)
            fields.append(
                nghttp2_nv(
                    name: nameBytes, value: place, namelen: name.utf8.count,
                    valuelen: value.utf8.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)))
            place = place?.advanced(by: value.utf8.count)
        }
        return fields.withUnsafeMutableBufferPointer { body($0) }
    }
}
