/// The value of a header field with variables in it: `from-%pod%`. `%%` is a percent sign.
public struct HeaderTemplate: Sendable, Equatable {
    /// What a variable stands for. One that has no value is written as `-`.
    public enum Variable: String, Sendable, CaseIterable, BitwiseCopyable {
        /// The pod that sent the request, and the one that receives it.
        case pod, destinationPod = "destination_pod"
        /// The client's address and port.
        case sourceAddress = "source_address", sourcePort = "source_port"
        /// The address and port that the client dialled.
        case originalDestination = "original_destination"
        /// The value of `x-request-id`.
        case requestId = "request_id"
        /// Names.
        case route, cluster, listener
        /// This host's name (`node.name`).
        case host
    }

    /// A part of the value.
    public enum Part: Sendable, Equatable {
        /// As it is.
        case text(String)
        /// See `Variable`.
        case variable(Variable)
    }

    /// What is wrong with a template.
    public enum Flaw: Error, Equatable {
        /// No variable has this name.
        case unknownVariable(String)
        /// A `%` without another one after it.
        case unclosed
    }

    /// In order; neighbouring texts are one.
    public let parts: [Part]

    /// Parses a value.
    public init(_ text: String) throws(Flaw) {
        var parts: [Part] = []
        var literal = ""
        var rest = text[...]
        while let percent = rest.firstIndex(of: "%") {
            literal += rest[..<percent]
            rest = rest[rest.index(after: percent)...]
            guard let end = rest.firstIndex(of: "%") else { throw .unclosed }
            let name = String(rest[..<end])
            rest = rest[rest.index(after: end)...]
            if name.isEmpty {
                literal += "%"
                continue
            }
            guard let variable = Variable(rawValue: name) else { throw .unknownVariable(name) }
            if !literal.isEmpty { parts.append(.text(literal)) }
            literal = ""
            parts.append(.variable(variable))
        }
        literal += rest
        if !literal.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }
}

extension HeaderTemplate: CustomStringConvertible {
    /// As it is written.
    public var description: String {
        parts.map { part in
            switch part {
            case .text(let text): text.split(separator: "%", omittingEmptySubsequences: false).joined(separator: "%%")
            case .variable(let variable): "%\(variable.rawValue)%"
            }
        }.joined()
    }
}
