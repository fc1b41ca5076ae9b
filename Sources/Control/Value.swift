/// A node of the document with the way to it: what section readers read from. Every accessor reports what does not
/// fit and returns nil then; an `invalid` node gives nil without a second problem.
struct Value {
    let node: DocumentNode
    let path: FieldPath
    let problems: ProblemCollector

    var position: Position { node.position }

    /// Reports a problem with this value.
    func fail(_ message: String) {
        problems.add(message, at: position, path: path.text)
    }

    /// Reports that this value asks for something later versions do.
    func notInThisBuild(_ what: String, expected: String) {
        fail("\(what) is not in this build, expected \(expected)")
    }

    /// Reports that this value is of another kind than `expected`.
    func failKind(expected: String) {
        switch node.content {
        case .invalid: break
        case .mapping: fail("is a mapping, expected \(expected)")
        case .sequence: fail("is a list, expected \(expected)")
        case .scalar(let text, _):
            fail(isNull ? "has no value, expected \(expected)" : "is \"\(text.excerpt)\", expected \(expected)")
        }
    }

    /// A key with nothing behind it, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = node.content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }

    /// `""`, as a reference to a variable that is set to nothing gives.
    var isEmptyText: Bool {
        guard case .scalar("", isPlain: false) = node.content else { return false }
        return true
    }
}

// MARK: lists and mappings

extension Value {
    /// The items of a list.
    func list(_ expected: String) -> [Value]? {
        guard case .sequence(let nodes) = node.content else {
            failKind(expected: "a list of \(expected)")
            return nil
        }
        return nodes.enumerated().map { Value(node: $1, path: .index(path, $0), problems: problems) }
    }

    /// The items of a list that must have one.
    func nonEmptyList(_ expected: String) -> [Value]? {
        guard let values = list(expected) else { return nil }
        if values.isEmpty { fail("is empty, expected one or more \(expected)") }
        return values.isEmpty ? nil : values
    }

    /// The fields of a mapping, all of whose keys must be in `known`.
    func fields(_ known: [String]) -> Fields? {
        guard let fields = anyFields(expected: "a mapping with \(Self.enumeration(known))") else { return nil }
        for field in fields.all where !known.contains(field.name) {
            let suggestion = Spelling.nearest(to: field.name, among: known)
            let expected = suggestion.map { "did you mean \"\($0)\"?" } ?? "expected \(Self.enumeration(known))"
            problems.add("unknown key, \(expected)", at: field.keyPosition, path: field.value.path.text)
        }
        return fields
    }

    /// The fields of a mapping with keys of the operator's own.
    func anyFields(expected: @autoclosure () -> String) -> Fields? {
        guard case .mapping(let entries) = node.content else {
            failKind(expected: expected())
            return nil
        }
        let fields = entries.map { entry in
            let value = Value(node: entry.value, path: .key(path, entry.key), problems: problems)
            return Fields.Field(name: entry.key, keyPosition: entry.keyPosition, value: value)
        }
        return Fields(owner: self, all: fields)
    }

    /// `a, b or c`; long lists are cut.
    static func enumeration(_ names: [String]) -> String {
        let shown = names.prefix(12).map { $0.excerpt }
        if names.count > shown.count { return shown.joined(separator: ", ") + ", ..." }
        guard shown.count > 1, let last = shown.last else { return shown.first ?? "nothing" }
        return shown.dropLast().joined(separator: ", ") + " or " + last
    }
}

/// The fields of one mapping.
struct Fields {
    struct Field {
        let name: String
        let keyPosition: Position
        let value: Value
    }

    let owner: Value
    let all: [Field]

    subscript(_ name: String) -> Value? { all.first { $0.name == name }?.value }

    /// The field, reported when it is missing.
    func required(_ name: String, _ expected: String) -> Value? {
        if let value = self[name] { return value }
        owner.problems.add(
            "is missing, expected \(expected)", at: owner.position, path: FieldPath.key(owner.path, name).text)
        return nil
    }

    /// Those of `names` that are there.
    func present(_ names: [String]) -> [Field] { all.filter { names.contains($0.name) } }
}
