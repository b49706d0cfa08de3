// --auto-compaction-mode and --auto-compaction-retention together, as etcd reads them (reference:
// flags.tsv).

import Services

enum AutoCompactionFlags {
    /// - Parameter retention: a number of hours (periodic) or revisions, or a duration, which in
    ///   mode `revision` counts nanoseconds as revisions, as in etcd.
    /// - Returns: nil when nothing is compacted automatically.
    static func policy(mode: String, retention: String) throws(ConfigurationError)
        -> CompactionPolicy?
    {
        guard mode == "periodic" || mode == "revision" else {
            throw .invalid(
                mode.isEmpty
                    ? "undefined auto-compaction-mode"
                    : "unknown auto-compaction-mode \(GoNotation.quoted(mode))")
        }
        let amount = try amount(retention, isPeriod: mode == "periodic")
        guard amount >= 0 else {
            throw .invalid("--auto-compaction-retention must not be negative (set to \(retention))")
        }
        if amount == 0 { return nil }
        return mode == "periodic" ? .periodic(UInt64(amount)) : .revisions(amount)
    }

    /// Nanoseconds or revisions.
    private static func amount(
        _ text: String, isPeriod: Bool
    ) throws(ConfigurationError) -> Int64 {
        if let number = Int64(text), number >= 0 {
            let (amount, over) = number.multipliedReportingOverflow(
                by: isPeriod ? 3_600_000_000_000 : 1)
            if !over { return amount }
        } else {
            do throws(FlagValueError) { return try GoNotation.duration(text) } catch {}
        }
        throw .invalid(
            "error parsing CompactionRetention: time: invalid duration \(GoNotation.quoted(text))")
    }
}
