/// One field of a message: where its name and value lie in the head's block.
public struct HeaderField: BitwiseCopyable, Sendable {
    /// Which name it is, if it is one the proxy knows.
    public let known: HeaderName
    @usableFromInline var flags: UInt8
    /// The name, in lower case.
    public let name: ByteRange
    /// The value, without white space around it. May be empty.
    public let value: ByteRange

    /// Never forwarded as is: it belongs to the connection it came by (RFC 9110 7.6.1), by its name or because `Connection`
    /// names it.
    @inlinable public var isHopByHop: Bool { flags & Self.hopByHop != 0 }

    init(known: HeaderName, flags: UInt8, name: ByteRange, value: ByteRange) {
        self.known = known
        self.flags = flags
        self.name = name
        self.value = value
    }

    @usableFromInline static var hopByHop: UInt8 { 1 }
    /// The encoder writes its own, or none.
    static var written: UInt8 { 2 }

    /// Came as one that no table may hold (RFC 7541 7.1.3), and goes on as such.
    static var neverIndexed: UInt8 { 4 }

    /// Whether the encoder copies it.
    var isCopied: Bool { flags & (Self.hopByHop | Self.written) == 0 }
    /// Whether it must not be put into a table.
    var isNeverIndexed: Bool { flags & Self.neverIndexed != 0 }
}
