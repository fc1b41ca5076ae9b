/// Replaces `${NAME}` in a scalar. `$${` stands for a literal `${`; any other `$` is itself.
struct EnvironmentReferences {
    let environment: [String: String]

    /// Why a scalar could not be completed.
    enum Failure: Error, Equatable {
        case unset(String)
        case malformed(String)

        var message: String {
            switch self {
            case .unset(let name):
                "the environment variable \(name) is not set, expected a value for ${\(name)}"
            case .malformed(let text):
                "\"\(text.excerpt)\" is not a reference, expected ${NAME} of letters, digits and _ (a literal ${ is $${)"
            }
        }
    }

    /// Whether `text` has anything to replace.
    static func occur(in text: String) -> Bool { text.utf8.contains(UInt8(ascii: "$")) && text.contains("${") }

    func replaced(in text: String) throws(Failure) -> String {
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("$${") {
                result += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                let name = try name(in: rest)
                guard let value = environment[name] else { throw .unset(name) }
                result += value
                rest = rest.dropFirst(name.count + 3)
            } else {
                result += "$"
                rest = rest.dropFirst()
            }
        }
        return result + rest
    }

    private func name(in reference: Substring) throws(Failure) -> String {
        let name = reference.dropFirst(2).prefix { $0 != "}" }
        let isName = !name.isEmpty && name.utf8.allSatisfy { DocumentText.isNameByte($0) && $0 != UInt8(ascii: "-") }
        let isClosed = name.endIndex < reference.endIndex
        guard isName, isClosed, let first = name.first, !("0"..."9").contains(first) else {
            throw .malformed(String(isClosed ? reference[...name.endIndex] : reference))
        }
        return String(name)
    }
}

extension StringProtocol {
    /// The text for a message: at most 64 characters of it.
    var excerpt: String { count <= 64 ? String(self) : prefix(61) + "..." }
}
