import Yams

/// Turns Yams' tree into `DocumentNode`s: unmasks text, resolves aliases and merge keys, replaces `${NAME}`, and
/// refuses what could not be walked (depth, weight). A local problem leaves an `invalid` node; a limit ends it all.
struct TreeBuilder {
    private let text: DocumentText
    private let references: EnvironmentReferences
    private let problems: ProblemCollector
    /// The latest node with each anchor: YAML allows an anchor to be set again.
    private var anchors: [String: DocumentNode] = [:]
    private var substitutedBytes = 0
    private var mergedEntries = 0

    /// A document limit was passed; the problem has been reported.
    private struct LimitPassed: Error {}

    init(text: DocumentText, environment: [String: String], problems: ProblemCollector) {
        self.text = text
        references = EnvironmentReferences(environment: environment)
        self.problems = problems
    }

    /// The tree; nil when a limit was passed.
    mutating func build(_ root: Node) -> DocumentNode? {
        try? build(root, depth: 0)
    }

    private mutating func build(_ node: Node, depth: Int) throws(LimitPassed) -> DocumentNode {
        let position = Self.position(node)
        guard depth < DocumentLimits.depthMax else {
            throw limit("nested too deeply, expected at most \(DocumentLimits.depthMax) levels", at: position)
        }
        let built: DocumentNode
        switch node {
        case .scalar(let scalar): built = try self.scalar(scalar, at: position)
        case .sequence(let sequence):
            check(tag: sequence.tag, at: position)
            var nodes: [DocumentNode] = []
            nodes.reserveCapacity(sequence.count)
            for child in sequence { nodes.append(try build(child, depth: depth + 1)) }
            built = DocumentNode(.sequence(nodes), at: position)
        case .mapping(let mapping):
            check(tag: mapping.tag, at: position)
            built = DocumentNode(.mapping(try entries(mapping, depth: depth + 1)), at: position)
        case .alias:
            // Not produced: aliases are masked.
            built = DocumentNode(.invalid, at: position)
        }
        guard built.weight <= DocumentLimits.nodesMax else {
            throw limit(
                "too large once aliases are unfolded, expected at most \(DocumentLimits.nodesMax) values", at: position)
        }
        if let anchor = node.anchor { anchors[anchor.rawValue] = built }
        return built
    }

    private mutating func scalar(_ scalar: Node.Scalar, at position: Position) throws(LimitPassed) -> DocumentNode {
        let isPlain = scalar.style == .plain
        if isPlain, let name = text.aliasName(scalar.string) { return alias(name, at: position) }
        check(tag: scalar.tag, at: position)
        let content = text.unmask(scalar.string)
        guard EnvironmentReferences.occur(in: content) else {
            return DocumentNode(.scalar(content, isPlain: isPlain), at: position)
        }
        do {
            let replaced = try references.replaced(in: content)
            substitutedBytes += replaced.utf8.count
            if substitutedBytes <= DocumentLimits.substitutedBytesMax {
                return DocumentNode(.scalar(replaced, isPlain: isPlain), at: position)
            }
        } catch {
            problems.add(error.message, at: position)
            return DocumentNode(.invalid, at: position)
        }
        throw limit("the environment's values are too large, expected at most 16 MiB in all", at: position)
    }

    private func alias(_ name: String, at position: Position) -> DocumentNode {
        if let node = anchors[name] { return node }
        let message =
            name.utf8.allSatisfy(DocumentText.isNameByte)
            ? "no anchor &\(name.excerpt) stands before this alias"
            : "\"*\(text.unmask(name).excerpt)\" is not an alias, expected *NAME (quote a text that starts with *)"
        problems.add(message, at: position)
        return DocumentNode(.invalid, at: position)
    }

    private mutating func entries(
        _ mapping: Node.Mapping, depth: Int
    ) throws(LimitPassed) -> [DocumentNode.Entry] {
        var entries: [DocumentNode.Entry] = []
        var positions: [String: Position] = [:]
        var merged: [DocumentNode] = []
        for (keyNode, valueNode) in mapping {
            let value = try build(valueNode, depth: depth)
            guard let key = key(keyNode) else { continue }
            let position = Self.position(keyNode)
            if key == "<<" {
                merged.append(value)
            } else if let first = positions.updateValue(position, forKey: key) {
                positions[key] = first
                problems.add(
                    "the key \"\(key.excerpt)\" is already at \(problems.place(first)), expected it once", at: position)
            } else {
                entries.append(DocumentNode.Entry(key: key, keyPosition: position, value: value))
            }
        }
        for node in merged { try merge(node, into: &entries, known: &positions) }
        return entries
    }

    private func key(_ node: Node) -> String? {
        guard case .scalar(let scalar) = node, text.aliasName(scalar.string) == nil else {
            problems.add("a mapping key is not a name", at: Self.position(node))
            return nil
        }
        return text.unmask(scalar.string)
    }

    /// `<<`: keys that are not there yet, from a mapping or from several, the first winning.
    private mutating func merge(
        _ node: DocumentNode, into entries: inout [DocumentNode.Entry], known: inout [String: Position]
    ) throws(LimitPassed) {
        switch node.content {
        case .mapping(let others):
            mergedEntries += others.count
            guard mergedEntries <= DocumentLimits.mergedEntriesMax else {
                throw limit(
                    "too large once merged, expected at most \(DocumentLimits.mergedEntriesMax) entries",
                    at: node.position)
            }
            for entry in others where known.updateValue(entry.keyPosition, forKey: entry.key) == nil {
                entries.append(entry)
            }
        case .sequence(let nodes):
            for case let other in nodes {
                if case .sequence = other.content {
                    problems.add("cannot be merged, expected a mapping", at: other.position)
                } else {
                    try merge(other, into: &entries, known: &known)
                }
            }
        case .scalar: problems.add("cannot be merged, expected a mapping or a list of mappings", at: node.position)
        case .invalid: break
        }
    }

    private func check(tag: Tag, at position: Position) {
        let known = ["", "!", "str", "int", "float", "bool", "null", "seq", "map"]
        let prefix = "tag:yaml.org,2002:"
        let name = tag.rawValue.hasPrefix(prefix) ? String(tag.rawValue.dropFirst(prefix.count)) : tag.rawValue
        guard !known.contains(name) else { return }
        problems.add(
            "the tag \"\(text.unmask(tag.rawValue).excerpt)\" has no meaning here, expected none", at: position)
    }

    private func limit(_ message: String, at position: Position) -> LimitPassed {
        problems.add(message, at: position)
        return LimitPassed()
    }

    private static func position(_ node: Node) -> Position {
        Position(line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }
}
