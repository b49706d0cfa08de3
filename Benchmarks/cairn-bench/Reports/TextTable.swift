// Columns that line up.

import Foundation

/// Rows of cells; the first `leading` columns are set to the left, figures to the right.
struct TextTable {
    var rows: [[String]]
    var leading = 2

    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < leading ? cell + padding : padding + cell
            }.joined(separator: "  ").trimmingSuffix(" ")
        }.joined(separator: "\n")
    }
}

extension String {
    fileprivate func trimmingSuffix(_ character: Character) -> String {
        var text = self
        while text.last == character { text.removeLast() }
        return text
    }

    static func whole(_ value: Double) -> String { String(format: "%.0f", value) }
    static func tenth(_ value: Double) -> String { String(format: "%.1f", value) }
    static func hundredth(_ value: Double) -> String { String(format: "%.2f", value) }
    static func mebibytes(_ bytes: Int) -> String { tenth(Double(bytes) / 1_048_576) }
    static func ratio(_ value: Double?, _ other: Double?) -> String {
        guard let value, let other, other > 0 else { return "-" }
        return hundredth(value / other)
    }
}
