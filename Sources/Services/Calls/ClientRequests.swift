// How many calls come from clients of which version, as they say themselves (metadata
// `client-api-version`).

import API
import Transport

package final class ClientRequests: Sendable {
    private struct Version {
        let text: [UInt8]
        let unary: Counter
        let streams: Counter
    }

    private let make: @Sendable (_ type: String, _ version: String) -> Counter
    private let versions = Locked<[Version]>([])
    /// What clients say is anything: so many versions are told apart.
    private static let mostVersions = 64

    /// - Parameter make: the counter of `unary` or `stream` calls of a version.
    package init(_ make: @escaping @Sendable (_ type: String, _ version: String) -> Counter) {
        self.make = make
        versions.withLock { $0.append(version(Array("unknown".utf8))) }
    }

    private func version(_ text: [UInt8]) -> Version {
        let name = String(decoding: text, as: UTF8.self)
        return Version(text: text, unary: make("unary", name), streams: make("stream", name))
    }

    private static func isVersion(_ text: UnsafeRawBufferPointer) -> Bool {
        (1...32).contains(text.count)
            && text.allSatisfy {
                switch $0 {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."), UInt8(ascii: "-"),
                    UInt8(ascii: "+"):
                    true
                default: false
                }
            }
    }

    /// A call has come.
    /// - Parameter text: nil when its client does not say.
    func came(isUnary: Bool, _ text: UnsafeRawBufferPointer?) {
        versions.withLock { versions in
            var place = 0
            if let text, Self.isVersion(text) {
                place = versions.firstIndex { $0.text.elementsEqual(text) } ?? versions.count
                if place == versions.count {
                    if place < Self.mostVersions {
                        versions.append(version([UInt8](text)))
                    } else {
                        place = 0
                    }
                }
            }
            (isUnary ? versions[place].unary : versions[place].streams).increment()
        }
    }
}
