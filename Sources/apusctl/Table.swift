/// A text table for eyes: columns aligned, numbers to the right, two spaces between.
struct Table {
    private let header: [String]
    private var rows: [[String]] = []
    private var rightAligned: Set<Int> = []

    /// A table with these column names. Names that begin with `>` are of columns aligned to the right.
    init(_ columns: String...) {
        header = columns.map { $0.hasPrefix(">") ? String($0.dropFirst()) : $0 }
        for (index, column) in columns.enumerated() where column.hasPrefix(">") { rightAligned.insert(index) }
    }

    /// Adds a row; an empty cell shows as `-`, a blank one as nothing.
    mutating func add(_ cells: String...) {
        rows.append(cells.map { $0.isEmpty ? "-" : Self.printable($0) })
    }

    /// The lines, without trailing spaces.
    var text: String {
        var widths = header.map(\.count)
        for row in rows {
            for (index, cell) in row.enumerated() where index < widths.count {
                widths[index] = max(widths[index], cell.count)
            }
        }
        return ([header] + rows).map { line($0, widths) }.joined(separator: "\n")
    }

    private func line(_ cells: [String], _ widths: [Int]) -> String {
        var line = ""
        for (index, cell) in cells.enumerated() where index < widths.count {
            let padding = String(repeating: " ", count: widths[index] - cell.count)
            line += (index == 0 ? "" : "  ") + (rightAligned.contains(index) ? padding + cell : cell + padding)
        }
        while line.last == " " { line.removeLast() }
        return line
    }

    /// Names come from outside: nothing in them may move the terminal's cursor.
    static func printable(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}

/// A byte count for eyes: `512`, `1.5K`, `20.0M`.
func bytesText(_ count: Int) -> String {
    var value = Double(count)
    for unit in ["", "K", "M", "G", "T", "P"] {
        if value < 1024 { return unit.isEmpty ? "\(count)" : "\((value * 10).rounded() / 10)\(unit)" }
        value /= 1024
    }
    return "\((value * 10).rounded() / 10)E"
}

/// A time span for eyes: `250ms`, `12s`, `3m`, `5h`, `2d`.
func spanText(milliseconds: Int64) -> String {
    switch milliseconds {
    case ..<1000: "\(milliseconds)ms"
    case ..<120_000: "\(milliseconds / 1000)s"
    case ..<7_200_000: "\(milliseconds / 60_000)m"
    case ..<172_800_000: "\(milliseconds / 3_600_000)h"
    default: "\(milliseconds / 86_400_000)d"
    }
}
