// Where LMDB puts records: a record of which a size or a place is damaged is told by it, before
// anybody reads behind the end of the file (which the system answers with a signal).
//
// LMDB does not look: it hands out what the node says. A key lies in its page. So does a value,
// right behind its key, unless it has pages of its own: a run that begins with a header, which says
// how many they are (mdb.c, F_BIGDATA, P_OVERFLOW, `mp_pages`).

struct PageBounds {
    /// Bytes; the map begins at a multiple of it.
    let pageBytes: Int
    /// So much of the file was there when it was opened; with checksums it does not matter, for
    /// what is not there does not match.
    let fileBytes: Int

    private static let headerBytes = 16
    private static let overflow: UInt16 = 4

    /// Whether the value of a key that was found can be read.
    @inline(__always)
    func contain(_ value: UnsafeRawBufferPointer) -> Bool {
        place(of: value) + value.count <= pageBytes || isRun(value)
    }

    /// Whether both can be read.
    @inline(__always)
    func contain(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
        let end = place(of: key) + key.count
        if let start = key.baseAddress, start + key.count == value.baseAddress {
            return end + value.count <= pageBytes
        }
        return end <= pageBytes && isRun(value)
    }

    @inline(__always)
    private func place(of bytes: UnsafeRawBufferPointer) -> Int {
        Int(bitPattern: bytes.baseAddress) & (pageBytes - 1)
    }

    /// Whether `value` has pages of its own. Their header is there: LMDB has found the first.
    private func isRun(_ value: UnsafeRawBufferPointer) -> Bool {
        guard place(of: value) == Self.headerBytes, let base = value.baseAddress else {
            return false
        }
        let page = UnsafeRawBufferPointer(start: base - Self.headerBytes, count: Self.headerBytes)
        let number = page.littleEndian(at: 0, as: UInt64.self)
        let flags = page.littleEndian(at: 10, as: UInt16.self)
        let pages = Int(page.littleEndian(at: 12, as: UInt32.self))
        let bytes = Self.headerBytes + value.count
        guard flags == Self.overflow, bytes <= pages * pageBytes else { return false }
        return number <= UInt64(fileBytes / pageBytes)
            && bytes <= fileBytes - Int(number) * pageBytes
    }
}
