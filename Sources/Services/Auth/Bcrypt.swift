// bcrypt, through libxcrypt (crypt(5)): the texts are those of Go's package, which etcd uses.

import API
import CCrypt
import Glibc

/// Hashes passwords. Takes tens of milliseconds by design: see PasswordWorker.
enum Bcrypt {
    /// What counts of a password; Go refuses to hash more.
    static let passwordBytes = 72

    /// Why `password` cannot be hashed whole. crypt(5) would cut it at a NUL, where Go's does not:
    /// no other password may pass for it.
    static func refusal(of password: [UInt8]) -> Status? {
        if password.count > passwordBytes { return .passwordTooLong }
        return password.contains(0) ? .passwordHasNUL : nil
    }

    /// - Returns: `$2a$`, the cost, salt and hash.
    static func hash(
        _ password: [UInt8], cost: Int, random: any RandomSource
    ) throws(Status) -> [UInt8] {
        if let refusal = refusal(of: password) { throw refusal }
        var salt: [UInt8] = []
        for _ in 0..<2 {
            withUnsafeBytes(of: random.next()) { salt.append(contentsOf: $0) }
        }
        var setting = [CChar](repeating: 0, count: Int(CRYPT_GENSALT_OUTPUT_SIZE))
        let made = salt.withUnsafeBytes { salt in
            crypt_gensalt_rn(
                "$2b$", UInt(cost),
                salt.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(salt.count),
                &setting, Int32(setting.count)) != nil
        }
        let text = setting.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        guard made, var hash = crypt(password, as: text) else { throw .notHashed }
        // The same algorithm under the name that Go writes.
        hash[2] = UInt8(ascii: "a")
        return hash
    }

    /// Whether `password` is the one that `hash` was made of. False for what is no hash.
    static func verify(_ password: [UInt8], _ hash: [UInt8]) -> Bool {
        guard hash.count == 60, hash.starts(with: "$2".utf8) else { return false }
        // crypt(5) would compare what is before it. No such password can be set either.
        guard !password.prefix(passwordBytes).contains(0) else { return false }
        var setting = hash
        // Go reads all minor versions alike; libxcrypt's `2a` has a safeguard of its own.
        setting[2] = UInt8(ascii: "b")
        guard let computed = crypt(password, as: setting) else { return false }
        var difference: UInt8 = 0
        for (a, b) in zip(computed, setting) { difference |= a ^ b }
        return computed.count == setting.count && difference == 0
    }

    private static func crypt(_ password: [UInt8], as setting: [UInt8]) -> [UInt8]? {
        let data = UnsafeMutablePointer<crypt_data>.allocate(capacity: 1)
        defer { data.deallocate() }
        UnsafeMutableRawPointer(data).initializeMemory(
            as: UInt8.self, repeating: 0, count: MemoryLayout<crypt_data>.size)
        let phrase = password.prefix(passwordBytes).map { CChar(bitPattern: $0) } + [0]
        let text = setting.map { CChar(bitPattern: $0) } + [0]
        guard let output = crypt_r(phrase, text, data) else { return nil }
        let bytes = [UInt8](UnsafeRawBufferPointer(start: output, count: strlen(output)))
        // What begins so is the name of an error.
        return bytes.first == UInt8(ascii: "*") ? nil : bytes
    }
}

extension Status {
    /// golang.org/x/crypto/bcrypt, ErrPasswordTooLong.
    static let passwordTooLong = Status(.unknown, "bcrypt: password length exceeds 72 bytes")
    static let passwordHasNUL = Status(
        .invalidArgument, "etcdserver: a password with a NUL byte is not supported")
    static let notHashed = Status(.internal, "etcdserver: the password could not be hashed")
}
