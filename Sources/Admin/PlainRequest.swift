import HTTP
import Model

/// A request as text, for saying which condition of a rule does not hold. Whether a rule matches is the matcher's word; here
/// it is put into words.
struct PlainRequest {
    private let method, path: String
    private let headers, query: [Pair]

    private struct Pair {
        let name, value: String
    }

    init(_ head: borrowing MessageHead) {
        method = head.text(head.methodText)
        let target = head.text(head.path).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = target.first.map(String.init) ?? ""
        query = (target.count == 2 ? target[1] : "").split(separator: "&").map { pair in
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return Pair(name: String(sides[0]), value: sides.count == 2 ? String(sides[1]) : "")
        }
        var headers = [Pair(name: "host", value: head.text(head.authority))]
        for index in 0..<head.fieldCount {
            let field = head.field(index)
            headers.append(Pair(name: head.text(field.name), value: head.text(field.value)))
        }
        self.headers = headers
    }

    /// The first condition of a match that does not hold, of one that does not hold as a whole.
    func obstacle(_ match: Configuration.RequestMatch) -> String {
        var patterns: [String] = []
        switch match.path {
        case .exact(let text) where path != text: return "path is not \(text)"
        case .prefix(let text) where !path.hasPrefix(text): return "path does not begin with \(text)"
        case .regex(let text): patterns.append("path is not \(text)")
        default: break
        }
        if !match.methods.isEmpty, !match.methods.contains(method) {
            return "method is not \(match.methods.joined(separator: " or "))"
        }
        for (kind, conditions, pairs) in [("header", match.headers, headers), ("query", match.query, query)] {
            for condition in conditions {
                if case .regex(let text) = condition.test {
                    patterns.append("\(kind) \(condition.name) is not \(text)")
                }
                let values = pairs.filter { $0.name == condition.name }.map(\.value)
                if let why = obstacle(condition, values) { return "\(kind) \(why)" }
            }
        }
        // Only a pattern can be left.
        return patterns.first ?? "does not match"
    }

    private func obstacle(_ condition: Configuration.ValueMatch, _ values: [String]) -> String? {
        let name = condition.name
        if case .absent = condition.test { return values.isEmpty ? nil : "\(name) is present" }
        guard !values.isEmpty else { return "\(name) is absent" }
        switch condition.test {
        case .exact(let text): return values.contains(text) ? nil : "\(name) is not \(text)"
        case .prefix(let text):
            return values.contains { $0.hasPrefix(text) } ? nil : "\(name) does not begin with \(text)"
        case .present, .absent, .regex: return nil
        }
    }
}
