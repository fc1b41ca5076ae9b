/// A place in a document, both from 1. Columns count characters (Unicode scalars), as the YAML parser does.
struct Position: Sendable, Equatable, Comparable {
    var line: Int
    var column: Int

    static func < (left: Position, right: Position) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// One node of a document: Yams' tree with aliases, merge keys and `${NAME}` resolved. Built by `TreeBuilder`.
///
/// An aliased node is shared, not copied. `weight` is what walking it costs, shared nodes counted each time they are
/// reached, so a few lines that unfold to billions of nodes are refused before anything walks them.
final class DocumentNode: Sendable {
    enum Content: Sendable {
        /// `isPlain`: without quotes, so an empty text, `~` or `null` means "no value".
        case scalar(String, isPlain: Bool)
        case sequence([DocumentNode])
        /// In document order; keys are unique.
        case mapping([Entry])
        /// Its problem has been reported: readers skip it without another one.
        case invalid
    }

    struct Entry: Sendable {
        let key: String
        let keyPosition: Position
        let value: DocumentNode
    }

    let position: Position
    let content: Content
    let weight: Int

    init(_ content: Content, at position: Position) {
        self.content = content
        self.position = position
        switch content {
        case .scalar, .invalid: weight = 1
        case .sequence(let nodes): weight = Self.sum(nodes.lazy.map(\.weight))
        case .mapping(let entries): weight = Self.sum(entries.lazy.map(\.value.weight))
        }
    }

    /// Saturates: nested aliases multiply past any integer.
    private static func sum(_ weights: some Sequence<Int>) -> Int {
        weights.reduce(1) { total, weight in
            let (sum, overflow) = total.addingReportingOverflow(weight)
            return overflow ? .max : sum
        }
    }
}

extension DocumentNode {
    var isScalar: Bool {
        if case .scalar = content { true } else { false }
    }
}
