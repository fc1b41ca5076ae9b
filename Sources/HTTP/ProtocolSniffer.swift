/// Says what a connection speaks by the first bytes of its client. A pure function of those bytes.
///
/// It says so as soon as it is plausible, not when it is complete: whether a request is a good one is the decoder's
/// business. Bytes that come later never change an answer, so it does not matter how they are split.
public enum ProtocolSniffer {
    /// What the bytes are the beginning of.
    public enum Verdict: Sendable, BitwiseCopyable, Equatable {
        /// Of more than one thing.
        case needMore
        /// A TLS ClientHello.
        case tls
        /// HTTP/2's connection preface.
        case http2
        /// An HTTP/1 request.
        case http1
        /// None of these.
        case other
    }

    /// With so many bytes there is always an answer.
    public static let bytesMax = 64

    /// Empty lines before a request that decoders skip.
    private static let emptyLinesMax = 4
    /// The longest registered method has 17.
    private static let methodBytesMax = 24
    /// Spaces before the target: more than one is an error of a request, which is to be told so.
    private static let spacesMax = 8

    /// Judges the bytes that have come so far.
    public static func judge(_ bytes: Span<UInt8>) -> Verdict {
        switch match(bytes, 0, preface) {
        case .all: return .http2
        case .beginning: return .needMore
        case .none: break
        }
        return bytes[0] == 0x16 ? judgeHello(bytes) : judgeRequest(bytes)
    }

    // MARK: TLS

    /// A record of type handshake (RFC 8446 5.1) of a length that a client's first may have, with a ClientHello in it.
    private static func judgeHello(_ bytes: Span<UInt8>) -> Verdict {
        let isVersion = bytes.count < 2 || bytes[1] == 3 && (bytes.count < 3 || bytes[2] <= 4)
        guard isVersion else { return .other }
        guard bytes.count < 4 || bytes[3] <= 0x40 else { return .other }
        guard bytes.count < 5 || bytes[3] > 0 || bytes[4] >= 4 else { return .other }
        guard bytes.count > 5 else { return .needMore }
        return bytes[5] == 1 ? .tls : .other
    }

    // MARK: HTTP

    /// A method, a space, and what a request's target begins with.
    private static func judgeRequest(_ bytes: Span<UInt8>) -> Verdict {
        var position = 0
        guard skipEmptyLines(bytes, &position) else { return .other }
        let start = position
        while position < bytes.count, bytes[position].isMethodByte, position - start <= methodBytesMax { position += 1 }
        guard position - start <= methodBytesMax else { return .other }
        guard position < bytes.count else { return .needMore }
        guard position > start, bytes[position] == 0x20 else { return .other }
        let isConnect = match(bytes, start, connect) == .all
        let behind = position
        while position < bytes.count, bytes[position] == 0x20, position - behind <= spacesMax { position += 1 }
        guard position - behind <= spacesMax else { return .other }
        guard position < bytes.count else { return .needMore }
        return judgeTarget(bytes, position, isConnect: isConnect)
    }

    /// False: there are too many of them, or it is no end of a line.
    private static func skipEmptyLines(_ bytes: Span<UInt8>, _ position: inout Int) -> Bool {
        for _ in 0..<emptyLinesMax where position < bytes.count {
            let isReturn = bytes[position] == 0x0d
            guard isReturn || bytes[position] == 0x0a else { return true }
            position += 1
            guard isReturn, position < bytes.count else { continue }
            guard bytes[position] == 0x0a else { return false }
            position += 1
        }
        return true
    }

    private static func judgeTarget(_ bytes: Span<UInt8>, _ position: Int, isConnect: Bool) -> Verdict {
        let byte = bytes[position]
        if isConnect { return byte > 0x20 && byte < 0x7f ? .http1 : .other }
        switch byte {
        case UInt8(ascii: "/"): return .http1
        // Also RTSP asks so.
        case UInt8(ascii: "*"): return verdict(match(bytes, position + 1, version))
        case UInt8(ascii: "h"), UInt8(ascii: "H"):
            let plain = match(bytes, position, http)
            return verdict(plain == .none ? match(bytes, position, https) : plain)
        default: return .other
        }
    }

    private static func verdict(_ match: Match) -> Verdict {
        switch match {
        case .all: .http1
        case .beginning: .needMore
        case .none: .other
        }
    }

    // MARK: texts

    private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    private static let connect: StaticString = "CONNECT "
    private static let version: StaticString = " HTTP/"
    private static let http: StaticString = "http://"
    private static let https: StaticString = "https://"

    private enum Match {
        /// The whole text is there.
        case all
        /// It is, as far as there are bytes.
        case beginning
        case none
    }

    /// Compares what stands at `position` with a text. The case of lower-case letters does not matter.
    private static func match(_ bytes: Span<UInt8>, _ position: Int, _ text: StaticString) -> Match {
        text.withUTF8Buffer { text in
            for offset in text.indices {
                guard position + offset < bytes.count else { return .beginning }
                // In the bounds of a constant.
                let (byte, wanted) = unsafe (bytes[position + offset], text[offset])
                let isLower = wanted >= UInt8(ascii: "a") && wanted <= UInt8(ascii: "z")
                guard byte == wanted || isLower && byte | 0x20 == wanted else { return .none }
            }
            return .all
        }
    }
}

extension UInt8 {
    /// Methods are case-sensitive, and all registered ones are of these.
    fileprivate var isMethodByte: Bool {
        self >= UInt8(ascii: "A") && self <= UInt8(ascii: "Z") || self == UInt8(ascii: "-") || self == UInt8(ascii: "_")
    }
}
