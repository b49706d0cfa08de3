// The key index alone: what a key costs in memory, and what it costs to find, count and skip keys.

import API
import ArgumentParser
import Foundation
import Storage

struct IndexCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "index", abstract: "Weighs the key index, with keys put once in random order.")

    @Option(help: "How many keys; may be given several times.")
    var keys: [Int] = [1_000_000, 10_000_000]

    @Option(help: "Bytes of a key; 8 at least.")
    var keySize = 40

    func run() throws {
        guard keySize >= 8 else { throw ValidationError("--key-size must be at least 8") }
        var table = TextTable(
            rows: [
                [
                    "keys", "alike", "bytes/key beside the key, by its count", "by RssAnon",
                    "put us",
                    "get us", "count us", "limit 10 of all us",
                ]
            ], leading: 0)
        for count in keys {
            for isAlike in [true, false] { table.rows.append(measure(count, isAlike: isAlike)) }
        }
        print("keys of \(keySize) bytes\n\(table.text)")
    }

    private func measure(_ count: Int, isAlike: Bool) -> [String] {
        let before = ProcessUsage(of: getpid())?.anonymousBytes ?? 0
        var index = KeyIndex()
        let key = UnsafeMutableRawBufferPointer.allocate(byteCount: keySize, alignment: 8)
        defer { key.deallocate() }
        key.initializeMemory(as: UInt8.self, repeating: UInt8(ascii: "k"))
        let put = microseconds(count) { number in
            setKey(key, number, isAlike)
            _ = index.put(
                UnsafeRawBufferPointer(key), at: .init(main: Revision(Int64(number) + 2), sub: 0))
        }
        let after = ProcessUsage(of: getpid())?.anonymousBytes ?? 0
        let probes = 100_000
        var found = 0
        let get = microseconds(probes) { number in
            setKey(key, number &* 7919 % count, isAlike)
            if index.get(UnsafeRawBufferPointer(key)) != nil { found += 1 }
        }
        precondition(found == probes, "the index lost keys")
        let counting = microseconds(probes) { number in
            setKey(key, number &* 7919 % count, isAlike)
            found &+= index.count(in: KeyBounds(lower: UnsafeRawBufferPointer(key), upper: .open))
        }
        let limited = microseconds(probes) { number in
            setKey(key, number &* 7919 % count, isAlike)
            var seen = 0
            _ = index.visit(
                KeyBounds(lower: UnsafeRawBufferPointer(key), upper: .open), at: nil, budget: .max
            ) { _, _ in
                seen += 1
                return seen < 10
            }
            found &+= seen
        }
        return [
            "\(count)", isAlike ? "all but 8 bytes" : "nothing",
            .tenth(Double(index.memoryBytes) / Double(count) - Double(keySize)),
            .tenth(Double(after - before) / Double(count) - Double(keySize)),
            .hundredth(put), .hundredth(get), .hundredth(counting), .hundredth(limited),
        ]
    }

    /// A different key for each number, in no order: the number's bits, mixed. Pages keep what
    /// their keys have in common once, so keys that are alike are the cheap case.
    private func setKey(_ key: UnsafeMutableRawBufferPointer, _ number: Int, _ isAlike: Bool) {
        var bits = mixed(UInt64(number))
        key.storeBytes(of: bits, toByteOffset: isAlike ? keySize - 8 : 0, as: UInt64.self)
        if isAlike { return }
        for place in stride(from: 8, to: keySize - 7, by: 8) {
            bits = mixed(bits &+ 1)
            key.storeBytes(of: bits, toByteOffset: place, as: UInt64.self)
        }
    }

    private func mixed(_ number: UInt64) -> UInt64 {
        var bits = number &* 0x9E37_79B9_7F4A_7C15
        bits ^= bits >> 32
        return bits &* 0xD6E8_FEB8_6659_FD93
    }

    private func microseconds(_ count: Int, _ body: (Int) -> Void) -> Double {
        let begin = DispatchTime.now().uptimeNanoseconds
        for number in 0..<count { body(number) }
        return Double(DispatchTime.now().uptimeNanoseconds - begin) / 1000 / Double(count)
    }
}
