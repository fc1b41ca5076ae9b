import Buffers

/// Writes HTTP/1.1 messages out of what was understood: never a field that belongs to the connection a message came by, and
/// Host, Content-Length and Transfer-Encoding only as the framing given here says.
public enum HTTP1Encoder {
    /// What a response says about its connection.
    public enum ConnectionOption: BitwiseCopyable, Sendable, Equatable {
        /// It stays. Clients of HTTP/1.0 must be told (`announce`).
        case keepAlive(announce: Bool)
        /// It ends with this response.
        case close
        /// It changes to the protocol that the head's Upgrade field names.
        case upgrade
    }

    /// A request's head. `framing` is `none`, `length` or `chunked`; with `upgrade` it asks for the protocol in the head's
    /// Upgrade field. Without an authority Host is empty, as RFC 9112 3.2 has it.
    public static func request(
        _ head: borrowing MessageHead, framing: BodyFraming, upgrade: Bool, into output: inout OutputBuffer
    ) {
        output.append(head.bytes(head.methodText))
        output.append(UInt8(ascii: " "))
        output.append(head.bytes(head.path.isNone ? head.authority : head.path))
        output.append(" HTTP/1.1\r\nhost: ")
        output.append(head.bytes(head.authority))
        output.append("\r\n")
        let takesTrailers = head.takesTrailers
        if upgrade || takesTrailers { writeConnection(head, upgrade: upgrade, trailers: takesTrailers, into: &output) }
        writeFraming(framing, into: &output)
        writeFields(head, into: &output)
    }

    /// A response's head, interim ones included. With `none` a Content-Length of the head is passed on where it only describes
    /// (RFC 9110 8.6): in answers to HEAD, and 304.
    public static func response(
        _ head: borrowing MessageHead, framing: BodyFraming, connection: ConnectionOption,
        into output: inout OutputBuffer
    ) {
        writeStatus(head.status, head.reason.isNone ? nil : head.reason, head, into: &output)
        switch connection {
        case .keepAlive(let announce): if announce { output.append("connection: keep-alive\r\n") }
        case .close: output.append("connection: close\r\n")
        case .upgrade: writeConnection(head, upgrade: true, trailers: false, into: &output)
        }
        writeFraming(head.described(framing), into: &output)
        writeFields(head, into: &output)
    }

    // MARK: - chunks

    /// One chunk. Not for empty `bytes`, which would end the body: then nothing is written.
    public static func chunk(_ bytes: Span<UInt8>, into output: inout OutputBuffer) {
        guard bytes.count > 0 else { return }
        chunkPrefix(count: bytes.count, into: &output)
        output.append(bytes)
        chunkSuffix(into: &output)
    }

    /// What comes before the bytes of a chunk that has `count` of them, more than none.
    public static func chunkPrefix(count: Int, into output: inout OutputBuffer) {
        output.appendHex(count)
        output.append("\r\n")
    }

    /// What comes behind the bytes of a chunk.
    public static func chunkSuffix(into output: inout OutputBuffer) { output.append("\r\n") }

    /// The end of a chunked body.
    public static func lastChunk(into output: inout OutputBuffer) { output.append("0\r\n\r\n") }

    /// The end of a chunked body, with trailers.
    public static func lastChunk(trailers: borrowing MessageHead, into output: inout OutputBuffer) {
        output.append("0\r\n")
        writeFields(trailers, into: &output)
    }

    // MARK: - parts

    static func writeStatus(
        _ status: Int, _ reason: ByteRange?, _ head: borrowing MessageHead, into output: inout OutputBuffer
    ) {
        output.append("HTTP/1.1 ")
        output.appendDecimal(status)
        output.append(UInt8(ascii: " "))
        if let reason {
            output.append(head.bytes(reason))
        } else {
            output.append(StatusText.of(status))
        }
        output.append("\r\n")
    }

    static func writeFraming(_ framing: BodyFraming, into output: inout OutputBuffer) {
        switch framing {
        case .none, .untilClose: break
        case .chunked: output.append("transfer-encoding: chunked\r\n")
        case .length(let length):
            output.append("content-length: ")
            output.appendDecimal(length)
            output.append("\r\n")
        }
    }

    /// `Connection`, and the fields it then has to name.
    private static func writeConnection(
        _ head: borrowing MessageHead, upgrade: Bool, trailers: Bool, into output: inout OutputBuffer
    ) {
        output.append("connection: ")
        output.append(upgrade ? (trailers ? "upgrade, te\r\n" : "upgrade\r\n") : "te\r\n")
        if upgrade, let name = head.value(.upgrade) {
            output.append("upgrade: ")
            output.append(head.bytes(name))
            output.append("\r\n")
        }
        if trailers { output.append("te: trailers\r\n") }
    }

    /// The fields that are copied, and the empty line. Neighbours in the block are copied at once.
    private static func writeFields(_ head: borrowing MessageHead, into output: inout OutputBuffer) {
        var start = 0
        var end = 0
        var index = 0
        while index < head.count {
            let field = head.field(index)
            index &+= 1
            guard field.isCopied else { continue }
            if field.name.lowerBound != end {
                output.append(head.bytes(ByteRange(start, end)))
                start = field.name.lowerBound
            }
            end = field.value.upperBound &+ 2
        }
        output.append(head.bytes(ByteRange(start, end)))
        output.append("\r\n")
    }
}

extension MessageHead {
    /// What a response's head is to say of a body with this framing: without a body, what the head says of one that would
    /// be (RFC 9110 8.6), in answers to HEAD, and 304.
    public func described(_ framing: BodyFraming) -> BodyFraming {
        guard framing == .none && status >= 200 && status != 204, let length = contentLength else { return framing }
        return .length(length)
    }

    /// Whether TE says that trailers are understood (RFC 9110 10.1.4). Nothing else of it is passed on.
    var takesTrailers: Bool {
        guard let value = value(.te) else { return false }
        var list = ListReader(value)
        while let coding = list.next(self) {
            if isText(coding, "trailers") { return true }
        }
        return false
    }
}
