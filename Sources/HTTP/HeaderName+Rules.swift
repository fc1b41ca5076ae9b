/// What the codec does with fields by name.
extension HeaderName {
    /// Its bit in a head's words of 64: there are no more names than that.
    @inlinable var bit: UInt64 { 1 &<< UInt64(truncatingIfNeeded: rawValue) }

    /// Belongs to one connection and is never forwarded as it is (RFC 9110 7.6.1).
    ///
    /// Not Proxy-Authorization and Proxy-Authenticate: pods also talk to explicit proxies behind this one, which does not
    /// show itself to them.
    var isHopByHop: Bool {
        switch self {
        case .connection, .transferEncoding, .te, .upgrade, .keepAlive, .proxyConnection, .http2Settings: true
        default: false
        }
    }

    /// The encoder writes its own instead: hop-by-hop fields, and those that the message's framing and address decide.
    var isWrittenByEncoder: Bool { isHopByHop || self == .host || self == .contentLength }

    /// What a field of that name starts with.
    var flags: UInt8 { (isHopByHop ? HeaderField.hopByHop : 0) | (isWrittenByEncoder ? HeaderField.written : 0) }

    /// Why such a field makes a message of HTTP/2 malformed (RFC 9113 8.2.2). TE depends on its value.
    var faults: UInt8 {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade: FieldFault.connection
        default: 0
        }
    }

    /// What `Connection` must not name: a hop that obeyed would see another message than one that does not.
    var isFraming: Bool { self == .host || self == .contentLength || self == .transferEncoding }

    /// Whether a `Connection` option of that name takes the field off the message. Fields that are known to be for the
    /// recipient stay: else a client strips what a hop before has added (RFC 9110 7.6.1 forbids such options).
    var isRemovableByConnection: Bool { self == .other || isHopByHop }

    /// Whether it may come as a trailer (RFC 9110 6.5.1): not framing, routing, authentication, or how content is to be read.
    var isAllowedAsTrailer: Bool {
        switch self {
        case .other, .etag, .date, .via, .server, .grpcStatus, .grpcMessage: true
        default: false
        }
    }
}
