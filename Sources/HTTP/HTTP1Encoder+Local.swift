import Buffers

/// Messages that do not come from a peer.
extension HTTP1Encoder {
    /// An interim response without fields: 100, mostly.
    public static func interim(_ status: Int, into output: inout OutputBuffer) {
        writeStatus(status, nil, MessageHead(), into: &output)
        output.append("\r\n")
    }

    /// A response of our own with a text, or without one. `toHead`: the length is said, the body not sent.
    public static func simpleResponse(
        status: Int, contentType: StaticString = "text/plain", body: Span<UInt8>, connection: ConnectionOption,
        toHead: Bool, into output: inout OutputBuffer
    ) {
        var head = MessageHead()
        head.status = status
        if body.count > 0 { head.append(.contentType, contentType) }
        simpleResponse(head, body: body, connection: connection, toHead: toHead, into: &output)
    }

    /// A response of our own with the status and fields of `head`.
    public static func simpleResponse(
        _ head: borrowing MessageHead, body: Span<UInt8>, connection: ConnectionOption, toHead: Bool,
        into output: inout OutputBuffer
    ) {
        let hasBody = head.status >= 200 && head.status != 204 && head.status != 304
        response(head, framing: hasBody ? .length(body.count) : .none, connection: connection, into: &output)
        if hasBody && !toHead { output.append(body) }
    }
}
