/// The names of one kind of thing and where each was given, to report a second use with both places.
struct NameIndex {
    /// What the names are of, such as `cluster`.
    let kind: String
    private(set) var positions: [String: Position] = [:]

    init(_ kind: String) { self.kind = kind }

    /// The name in `value`, recorded; reported when it is taken.
    mutating func declare(_ value: Value?) -> String? {
        guard let value, let name = value.name() else { return nil }
        guard let first = positions[name] else {
            positions[name] = value.position
            return name
        }
        value.fail(
            "\"\(name)\" is already the name of the \(kind) at \(value.problems.place(first)), expected another name")
        return nil
    }

    /// What to write after a name that is not in the index.
    func suggestion(for name: String) -> String {
        guard !positions.isEmpty else { return "the configuration has none" }
        let names = positions.keys.sorted()
        if names.count > 8, let near = Spelling.nearest(to: name, among: names) { return "did you mean \"\(near)\"?" }
        let more = names.count > 8 ? ", ..." : ""
        return "expected one of: \(names.prefix(8).joined(separator: ", "))\(more)"
    }
}
