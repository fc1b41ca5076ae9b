/// A JSON document put together by hand, where the shape is not that of a Swift type. A nil member of an object is
/// left out.
enum JSONValue: Encodable, Sendable, Equatable {
    case string(String)
    case int(Int)
    case double(Double)
    case bool(Bool)
    case array([JSONValue])
    case object([String: JSONValue?])

    func encode(to encoder: any Encoder) throws {
        switch self {
        case .string(let value): try Self.encode(value, encoder)
        case .int(let value): try Self.encode(value, encoder)
        case .double(let value): try Self.encode(value, encoder)
        case .bool(let value): try Self.encode(value, encoder)
        case .array(let values): try Self.encode(values, encoder)
        case .object(let members): try Self.encode(members.compactMapValues(\.self), encoder)
        }
    }

    private static func encode(_ value: some Encodable, _ encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    init(stringLiteral value: String) { self = .string(value) }
    init(integerLiteral value: Int) { self = .int(value) }
    init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    init(dictionaryLiteral elements: (String, JSONValue?)...) {
        self = .object(Dictionary(elements) { $1 })
    }
}
