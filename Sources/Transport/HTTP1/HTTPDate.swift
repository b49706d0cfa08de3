// The Date header, formatted once per second.

import API
import Glibc

/// Calendar time as HTTP writes it (RFC 9110, 5.6.7), such as `Mon, 02 Jan 2006 15:04:05 GMT`.
struct HTTPDate {
    private let clock: any WallClock
    private var second: UInt64?
    private var text = ""

    init(_ clock: any WallClock) { self.clock = clock }

    mutating func now() -> String {
        let present = clock.nanosecondsSinceEpoch / 1_000_000_000
        if present != second {
            second = present
            text = Self.format(secondsSinceEpoch: present)
        }
        return text
    }

    static func format(secondsSinceEpoch: UInt64) -> String {
        var time = time_t(clamping: secondsSinceEpoch)
        var parts = tm()
        gmtime_r(&time, &parts)
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ]
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = "\(days[Int(parts.tm_wday)]), \(two(parts.tm_mday)) \(months[Int(parts.tm_mon)])"
        let hour = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(day) \(1900 + Int(parts.tm_year)) \(hour) GMT"
    }
}
