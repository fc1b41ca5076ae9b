import Foundation
import Glibc

/// The demo's screen: headings, checks and tables; coloured on a terminal.
struct DemoReport {
    private let isTerminal = isatty(1) == 1
    private let start = ContinuousClock.now

    /// A failed check ends the demo.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    func heading(_ text: String) {
        let seconds = (ContinuousClock.now - start).components.seconds
        write("\n" + styled("== \(text)", "1") + styled("  [\(seconds) s]", "2"))
    }

    func text(_ line: String) { write("   " + line) }

    /// Prints what holds, or throws what does not, with what was seen.
    func check(_ holds: Bool, _ claim: String, saw: @autoclosure () throws -> String) throws {
        guard holds else { throw Failure(description: "expected: \(claim)\nbut saw:  \(try saw())") }
        write("   " + styled("ok", "32") + "  " + claim)
    }

    func failure(_ text: String) {
        write("\n" + styled("FAILED", "31;1") + "  " + text)
    }

    func success() {
        let seconds = (ContinuousClock.now - start).components.seconds
        write("\n" + styled("Everything was as expected.", "32;1") + " \(seconds) s; the lab is removed.")
    }

    /// Columns as wide as their widest cell. An empty row is a gap.
    func table(_ header: [String], _ rows: [[String]]) {
        let widths = header.indices.map { column in
            ([header] + rows).map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            zip(cells, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }.joined(separator: "  ")
        }
        write("   " + styled(line(header), "1"))
        write("   " + widths.map { String(repeating: "-", count: $0) }.joined(separator: "  "))
        for row in rows { write("   " + line(row)) }
    }

    // MARK: rows that grow

    /// How a piece of a row looks on a terminal.
    enum Style: String {
        case plain = "1"
        case good = "32"
        case other = "36"
        case bad = "31;1"
    }

    /// A row under way.
    struct Row {
        fileprivate(set) var text = ""
        /// How many letters it has.
        var count: Int { text.count }
    }

    /// A terminal shows each piece at once; anything else gets whole rows.
    func add(_ text: String, _ style: Style, to row: inout Row) {
        if isTerminal { put((row.text.isEmpty ? "   " : "") + styled(text, style.rawValue)) }
        row.text += text
    }

    func end(_ row: inout Row) {
        guard !row.text.isEmpty else { return }
        write(isTerminal ? "" : "   " + row.text)
        row = Row()
    }

    private func styled(_ text: String, _ code: String) -> String {
        isTerminal ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text
    }

    /// Line by line, also into a pipe: whoever watches sees progress.
    private func write(_ line: String) { put(line + "\n") }

    private func put(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }
}
