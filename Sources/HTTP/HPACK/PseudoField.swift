/// The pseudo-header fields of HTTP/2 (RFC 9113 8.3, RFC 8441 4). `none` is a field proper.
enum PseudoField: UInt8, BitwiseCopyable, Sendable {
    case none = 0, authority, method, path, scheme, status, protocolName

    /// The name with its colon.
    var text: StaticString {
        switch self {
        case .none: ""
        case .authority: ":authority"
        case .method: ":method"
        case .path: ":path"
        case .scheme: ":scheme"
        case .status: ":status"
        case .protocolName: ":protocol"
        }
    }

    /// Its bit in a set of them.
    @inline(__always) var bit: UInt8 { 1 &<< rawValue }

    /// The one whose whole name is `name`; `none` if it is none of them.
    init(_ name: Span<UInt8>) {
        self = .none
        for raw in Self.authority.rawValue...Self.protocolName.rawValue {
            guard let field = PseudoField(rawValue: raw), field.text.utf8CodeUnitCount == name.count else { continue }
            if name.indices.allSatisfy({ name[$0] == field.text.byte($0) }) { self = field }
        }
    }
}
