import Model
import Patterns

/// `match` of rules and filters.
extension ConfigurationReader {
    func readRequestMatch(_ value: Value) -> Configuration.RequestMatch {
        var match = Configuration.RequestMatch()
        guard let fields = value.fields(["path", "methods", "headers", "query"]) else { return match }
        match.path = fields["path"].flatMap(readPathMatch)
        match.methods = fields["methods"]?.nonEmptyList("methods")?.compactMap { $0.method() } ?? []
        match.headers = readValueMatches(fields["headers"], "header fields") { $0.headerName() }
        match.query = readValueMatches(fields["query"], "parameters") { $0.parameterName() }
        return match
    }

    private func readPathMatch(_ value: Value) -> Configuration.RequestMatch.Path? {
        guard let (kind, text) = readChoice(value, ["prefix", "exact", "regex"], "prefix, exact or regex") else {
            return nil
        }
        switch kind {
        case "prefix": return text.requestPath().map { .prefix($0) }
        case "exact": return text.requestPath().map { .exact($0) }
        default: return text.pattern().map { .regex($0) }
        }
    }

    private func readValueMatches(
        _ value: Value?, _ what: String, _ name: (Value) -> String?
    ) -> [Configuration.ValueMatch] {
        (value?.nonEmptyList(what) ?? []).compactMap { item in
            let tests = ["exact", "prefix", "regex", "present", "absent"]
            guard let fields = item.fields(["name"] + tests) else { return nil }
            let name = fields.required("name", "a name").flatMap(name)
            guard let test = readTest(item, fields.present(tests)), let name else { return nil }
            return Configuration.ValueMatch(name: name, test)
        }
    }

    private func readTest(_ owner: Value, _ present: [Fields.Field]) -> Configuration.ValueMatch.Test? {
        let expected = "expected one of exact, prefix, regex, present or absent"
        guard let test = present.first else {
            owner.fail("has no test, \(expected)")
            return nil
        }
        if let second = present.dropFirst().first { second.value.fail("stands beside \(test.name), \(expected)") }
        switch test.name {
        case "exact": return test.value.fieldText().map { .exact($0) }
        case "prefix": return test.value.fieldText().map { .prefix($0) }
        case "regex": return test.value.pattern().map { .regex($0) }
        default:
            guard test.value.boolean() == true else {
                if test.value.boolean() == false {
                    let other = test.name == "present" ? "absent" : "present"
                    test.value.fail("is false, expected true: for the contrary write \(other): true")
                }
                return nil
            }
            return test.name == "present" ? .present : .absent
        }
    }

    /// The one key of a mapping that stands for a choice.
    func readChoice(_ value: Value, _ names: [String], _ words: String) -> (String, Value)? {
        guard let fields = value.fields(names) else { return nil }
        let present = fields.present(names)
        guard let first = present.first else {
            if fields.all.isEmpty { value.fail("is empty, expected one of \(words)") }
            return nil
        }
        if let second = present.dropFirst().first {
            second.value.fail("stands beside \(first.name), expected one of \(words)")
        }
        return (first.name, first.value)
    }
}
