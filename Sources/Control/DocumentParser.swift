import Yams

/// Text to `DocumentNode`: YAML syntax, one document, bounded.
struct DocumentParser {
    let environment: [String: String]
    let problems: ProblemCollector

    /// The document's root; nil after reporting why there is none.
    func parse(_ bytes: some Collection<UInt8>) -> DocumentNode? {
        guard var text = DocumentText(bytes, problems: problems) else { return nil }
        while true {
            do {
                return try tree(text)
            } catch YamlError.duplicatedKeysInMapping(let keys, let context) {
                let position = Position(line: context.mark.line, column: context.mark.column)
                guard text.maskKey(at: position) else {
                    let names = keys.map { "\"\(text.unmask($0).excerpt)\"" }.joined(separator: ", ")
                    problems.add("the mapping has the key \(names) more than once", at: position)
                    return nil
                }
            } catch {
                report(error, in: text)
                return nil
            }
        }
    }

    private func tree(_ text: DocumentText) throws -> DocumentNode? {
        // No resolver rules: types are decided by the schema, never guessed from the text (`on`, `1e3`, `0777`).
        let parser = try Parser(yaml: text.masked, resolver: .basic, encoding: .utf8)
        guard let root = try parser.singleRoot() else {
            problems.add("the document is empty, expected a mapping with \"version: 1\"", at: Self.start)
            return nil
        }
        // Nodes refer to their anchors weakly; the parser owns them.
        return withExtendedLifetime(parser) {
            var builder = TreeBuilder(text: text, environment: environment, problems: problems)
            return builder.build(root)
        }
    }

    private func report(_ error: any Error, in text: DocumentText) {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _):
            let position = Position(line: mark.line, column: mark.column)
            let hint = text.isIndentedByTab(at: position) ? " (indent with spaces, not with tabs)" : ""
            problems.add("not YAML: \(problem)\(Self.origin(context, of: position))\(hint)", at: position)
        case YamlError.composer(_, _, let mark, _):
            let position = Position(line: mark.line, column: mark.column)
            problems.add("another document starts here, expected one document in the file", at: position)
        case YamlError.reader(let problem, _, _, _):
            problems.add("not YAML: \(problem)", at: Self.start)
        default:
            problems.add("not YAML: \(error)", at: Self.start)
        }
    }

    /// `, while parsing a block mapping that starts at line 3`.
    private static func origin(_ context: YamlError.Context?, of position: Position) -> String {
        guard let context else { return "" }
        let line = context.mark.line == position.line ? "" : " that starts at line \(context.mark.line)"
        return ", \(context.text)\(line)"
    }

    private static let start = Position(line: 1, column: 1)
}
