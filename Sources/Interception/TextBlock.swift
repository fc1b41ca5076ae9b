import Model

/// Indented text with braces, as nft reads it.
struct TextBlock {
    /// What has been written, each line ended by a newline.
    private(set) var text = ""
    private let indentation: String

    init(indentation: String = "") { self.indentation = indentation }

    mutating func line(_ line: String) { text += indentation + line + "\n" }

    /// Whole lines.
    mutating func append(_ lines: String) { text += lines }

    mutating func block(_ head: String, _ body: (inout TextBlock) -> Void) {
        var inner = TextBlock(indentation: indentation + "    ")
        body(&inner)
        line(head + " {")
        text += inner.text
        line("}")
    }

    mutating func chain(_ name: String, _ comment: String? = nil, _ body: (inout TextBlock) -> Void) {
        if let comment { line("# " + comment) }
        block("chain \(name)", body)
    }

    mutating func chain(_ name: String, base: String, _ body: (inout TextBlock) -> Void) {
        block("chain \(name)") {
            $0.line(base)
            body(&$0)
        }
    }

    mutating func set(_ name: String, type: String, _ elements: [some CustomStringConvertible]) {
        block("set \(name)") {
            $0.line("type \(type)")
            $0.line("flags interval")
            if !elements.isEmpty { $0.line("elements = { \(elements.map(\.description).joined(separator: ", ")) }") }
        }
    }
}

extension PortRange {
    /// The same ports in ascending order as ranges that neither overlap nor touch: what an interval set takes.
    static func merged(_ ranges: [PortRange]) -> [PortRange] {
        var result: [PortRange] = []
        for range in ranges.sorted(by: { $0.first < $1.first }) {
            if let last = result.last, Int(range.first) <= Int(last.last) + 1,
                let joined = PortRange(last.first, max(last.last, range.last))
            {
                result[result.count - 1] = joined
            } else {
                result.append(range)
            }
        }
        return result
    }
}
