/// Walks the elements of a comma-separated value (RFC 9110 5.6.1), empty ones left out, white space around them cut off.
struct ListReader: BitwiseCopyable {
    private var position: Int
    private let end: Int

    init(_ value: ByteRange) {
        position = value.isNone ? 0 : value.lowerBound
        end = value.isNone ? 0 : value.upperBound
    }

    /// The next element of the value in `head`, never empty.
    mutating func next(_ head: borrowing MessageHead) -> ByteRange? {
        while position < end {
            var start = position
            while position < end, head.byte(position) != UInt8(ascii: ",") { position += 1 }
            var stop = position
            position += 1
            while start < stop, Self.isBlank(head.byte(start)) { start += 1 }
            while stop > start, Self.isBlank(head.byte(stop - 1)) { stop -= 1 }
            if stop > start { return ByteRange(start, stop) }
        }
        return nil
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

extension MessageHead {
    func byte(_ place: Int) -> UInt8 {
        precondition(place >= 0 && place < end)
        // In bounds by the line above.
        return unsafe base.load(fromByteOffset: place, as: UInt8.self)
    }

    /// Whether the bytes at `range` are `text`, which is in lower case, in any case.
    func isText(_ range: ByteRange, _ text: StaticString) -> Bool {
        guard Int(range.count) == text.utf8CodeUnitCount else { return false }
        let bytes = bytes(range)
        for index in bytes.indices where bytes[index].lowercased != text.byte(index) { return false }
        return true
    }

    /// Whether the first field of that name has the value `text`, which is in lower case, in any case.
    public func hasValue(_ name: HeaderName, _ text: StaticString) -> Bool {
        guard let value = value(name) else { return false }
        return isText(value, text)
    }

    /// Of requests: whether an extended CONNECT asks for WebSocket.
    public var isWebSocket: Bool { isText(protocolName, "websocket") }

    func isToken(_ range: ByteRange) -> Bool {
        let bytes = bytes(range)
        for index in bytes.indices where !bytes[index].isTokenByte { return false }
        return !range.isEmpty
    }
}
