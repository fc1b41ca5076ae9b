import HTTP
import HTTPChecks
import Testing

/// One case for each rule of RFC 9113 whose breach ends a stream or the connection: what is said, and what is written.
struct HTTP2RuleTests {
    enum Outcome: Sendable, Equatable {
        case connection(HTTP2Violation.Kind, HTTP2ErrorCode)
        case stream(HTTP2Violation.Kind, HTTP2ErrorCode)
        case allowed
    }

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let role: HTTP2Session.Role
        let bytes: [UInt8]
        let outcome: Outcome
        var testDescription: String { name }

        /// A case for a server, behind the client's preface and SETTINGS.
        init(_ name: String, _ bytes: [UInt8], _ outcome: Outcome) {
            (self.name, role, self.bytes, self.outcome) = (name, .server, HTTP2Bytes.clientStart + bytes, outcome)
        }

        /// A case for a client with three requests open, behind the server's SETTINGS.
        init(client name: String, _ bytes: [UInt8], _ outcome: Outcome) {
            (self.name, role, self.bytes, self.outcome) = (name, .client, HTTP2Bytes.frame(4) + bytes, outcome)
        }

        /// A case of the whole connection.
        init(_ role: HTTP2Session.Role, start name: String, _ bytes: [UInt8], _ outcome: Outcome) {
            (self.name, self.role, self.bytes, self.outcome) = (name, role, bytes, outcome)
        }
    }

    private typealias Wire = HTTP2Bytes
    private static let get = Wire.headers(1, Wire.get)
    /// A request that goes on.
    private static let post = Wire.headers(1, Wire.post, flags: 4)
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    private static func request(_ fields: [(String, String)]) -> [UInt8] { Wire.headers(1, Wire.fields(fields)) }
    private static func with(_ fields: [(String, String)]) -> [UInt8] {
        Wire.headers(1, Wire.get + Wire.fields(fields))
    }
    private static func response(_ fields: [(String, String)], flags: UInt8 = 4, stream: UInt32 = 1) -> [UInt8] {
        Wire.headers(stream, Wire.fields(fields), flags: flags)
    }

    static let frames: [Case] = [
        Case(
            .server, start: "3.4 SETTINGS come first", preface + Wire.frame(6, [0, 0, 0, 0, 0, 0, 0, 0]),
            .connection(.missingSettings, .protocolError)),
        Case(
            .client, start: "3.4 SETTINGS come first from servers", Array("HTTP/1.1 400 Bad Request\r\n".utf8),
            .connection(.missingSettings, .protocolError)),
        Case(
            .server, start: "3.4 not an acknowledgement", preface + Wire.frame(4, flags: 1),
            .connection(.missingSettings, .protocolError)),
        Case(
            "4.2 larger than SETTINGS_MAX_FRAME_SIZE", post + Wire.frame(0, stream: 1, [], length: 16385),
            .connection(.frameTooLarge, .frameSizeError)),
        Case("4.2 as large as allowed", post + Wire.data(1, [UInt8](repeating: 1, count: 16384)), .allowed),
        Case(
            "4.3 another frame within a block", Wire.headers(1, [0x82], flags: 1) + Wire.frame(4),
            .connection(.brokenHeaderBlock, .protocolError)),
        Case(
            "4.3 another stream within a block", Wire.headers(1, [0x82], flags: 1) + Wire.frame(9, stream: 3),
            .connection(.brokenHeaderBlock, .protocolError)),
        Case("4.3 broken coding", Wire.headers(1, [0xff]), .connection(.compression, .compressionError)),
        Case("4.3 an index of nothing", Wire.headers(1, [0xbe]), .connection(.compression, .compressionError)),
        Case("4.3 index 0", Wire.headers(1, [0x80]), .connection(.compression, .compressionError)),
        Case(
            "4.3 table larger than allowed", Wire.headers(1, [0x3f, 0xe2, 0x1f]),
            .connection(.compression, .compressionError)),
        Case(
            "4.3 size update behind a field", Wire.headers(1, [0x82, 0x20]),
            .connection(.compression, .compressionError)),
        Case(
            "4.3 broken coding of trailers", post + Wire.headers(1, [0x40, 0x7f]),
            .connection(.compression, .compressionError)),
        Case("5.5 unknown frames", Wire.frame(0xaa, flags: 0xff, stream: 9, [1, 2, 3]), .allowed),
        Case("6.1 DATA on 0", Wire.data(0, [1]), .connection(.streamIdentifier, .protocolError)),
        Case(
            "6.1 DATA all padding and more", post + Wire.data(1, [5, 0, 0], flags: 8),
            .connection(.padding, .protocolError)),
        Case(
            "6.1 padded without a length", post + Wire.data(1, [], flags: 8), .connection(.frameSize, .frameSizeError)),
        Case("6.2 HEADERS on 0", Wire.headers(0, Wire.get), .connection(.streamIdentifier, .protocolError)),
        Case(
            "6.2 padding longer than the payload", Wire.headers(1, [9, 0x82], flags: 13),
            .connection(.padding, .protocolError)),
        Case(
            "6.2 too short for its priority", Wire.headers(1, [0, 0], flags: 37),
            .connection(.frameSize, .frameSizeError)),
        Case("6.3 PRIORITY on 0", Wire.frame(2, [0, 0, 0, 0, 0]), .connection(.streamIdentifier, .protocolError)),
        Case(
            "6.3 PRIORITY of 4 bytes", post + Wire.frame(2, stream: 1, [0, 0, 0, 0]),
            .stream(.frameSize, .frameSizeError)),
        Case("6.3 PRIORITY of an idle stream", Wire.frame(2, stream: 9, [0, 0, 0, 0, 1]), .allowed),
        Case("6.4 RST_STREAM on 0", Wire.reset(0, 1), .connection(.streamIdentifier, .protocolError)),
        Case("6.4 RST_STREAM of an idle stream", Wire.reset(1, 1), .connection(.idleStream, .protocolError)),
        Case(
            "6.4 RST_STREAM of 3 bytes", post + Wire.frame(3, stream: 1, [0, 0, 0]),
            .connection(.frameSize, .frameSizeError)),
        Case("6.5 SETTINGS on a stream", Wire.frame(4, stream: 1), .connection(.streamIdentifier, .protocolError)),
        Case(
            "6.5 acknowledgement with content", Wire.frame(4, flags: 1, [0]), .connection(.frameSize, .frameSizeError)),
        Case("6.5 SETTINGS of 5 bytes", Wire.frame(4, [0, 0, 0, 0, 0]), .connection(.frameSize, .frameSizeError)),
        Case("6.5.2 ENABLE_PUSH 2", Wire.settings([(2, 2)]), .connection(.settingsValue, .protocolError)),
        Case(
            "6.5.2 INITIAL_WINDOW_SIZE 2^31", Wire.settings([(4, 1 << 31)]),
            .connection(.windowOverflow, .flowControlError)),
        Case("6.5.2 MAX_FRAME_SIZE 16383", Wire.settings([(5, 16383)]), .connection(.settingsValue, .protocolError)),
        Case("6.5.2 MAX_FRAME_SIZE 2^24", Wire.settings([(5, 1 << 24)]), .connection(.settingsValue, .protocolError)),
        Case("6.5.2 unknown settings", Wire.settings([(99, 1), (0, 7)]), .allowed),
        Case(
            client: "6.5.2 ENABLE_PUSH 1 from a server", Wire.settings([(2, 1)]),
            .connection(.settingsValue, .protocolError)),
        Case(
            client: "8441 3 CONNECT taken back", Wire.settings([(8, 1), (8, 0)]),
            .connection(.settingsValue, .protocolError)),
        Case(
            "6.6 PUSH_PROMISE", Wire.frame(5, stream: 1, [0, 0, 0, 2]), .connection(.unexpectedFrame, .protocolError)),
        Case(
            client: "6.6 PUSH_PROMISE though it is off", Wire.frame(5, flags: 4, stream: 1, [0, 0, 0, 2, 0x82]),
            .connection(.unexpectedFrame, .protocolError)),
        Case(
            "6.7 PING on a stream", Wire.frame(6, stream: 1, [1, 2, 3, 4, 5, 6, 7, 8]),
            .connection(.streamIdentifier, .protocolError)),
        Case("6.7 PING of 6 bytes", Wire.frame(6, [1, 2, 3, 4, 5, 6]), .connection(.frameSize, .frameSizeError)),
        Case(
            "6.8 GOAWAY on a stream", Wire.frame(7, stream: 1, [UInt8](repeating: 0, count: 8)),
            .connection(.streamIdentifier, .protocolError)),
        Case("6.8 GOAWAY of 4 bytes", Wire.frame(7, [0, 0, 0, 0]), .connection(.frameSize, .frameSizeError)),
        Case("6.9 increment 0", Wire.windowUpdate(0, 0), .connection(.windowIncrement, .protocolError)),
        Case("6.9 increment 0 on a stream", post + Wire.windowUpdate(1, 0), .stream(.windowIncrement, .protocolError)),
        Case("6.9 WINDOW_UPDATE of 3 bytes", Wire.frame(8, [0, 0, 1]), .connection(.frameSize, .frameSizeError)),
        Case("6.9 WINDOW_UPDATE of an idle stream", Wire.windowUpdate(1, 9), .connection(.idleStream, .protocolError)),
        Case(
            "6.9.1 window beyond 2^31-1", Wire.windowUpdate(0, 0x7fff_ffff),
            .connection(.windowOverflow, .flowControlError)),
        Case(
            "6.9.1 a stream's window beyond 2^31-1", post + Wire.windowUpdate(1, 0x7fff_ffff),
            .stream(.windowOverflow, .flowControlError)),
        Case(
            "6.9.2 windows that settings make too large",
            post + Wire.windowUpdate(1, 0x7fff_ffff - 65535) + Wire.settings([(4, 65536)]),
            .connection(.windowOverflow, .flowControlError)),
        Case(
            "6.10 CONTINUATION without a beginning", Wire.frame(9, flags: 4, stream: 1),
            .connection(.brokenHeaderBlock, .protocolError)),
        Case(
            "6.10 CONTINUATION behind the end", post + Wire.frame(9, flags: 4, stream: 1),
            .connection(.brokenHeaderBlock, .protocolError)),
    ]

    static let streams: [Case] = [
        Case("5.1 DATA on an idle stream", Wire.data(1, [1]), .connection(.idleStream, .protocolError)),
        Case(
            "5.1 DATA behind the end", post + Wire.data(1, [], flags: 1) + Wire.data(1, [1]),
            .connection(.closedStream, .streamClosed)),
        Case("5.1 HEADERS on a closed stream", get + get, .connection(.closedStream, .streamClosed)),
        Case(
            "5.1 DATA on a stream the peer has reset", post + Wire.reset(1, 8) + Wire.data(1, [1]),
            .connection(.closedStream, .streamClosed)),
        Case("5.1 WINDOW_UPDATE on a closed stream", get + Wire.windowUpdate(1, 5), .allowed),
        Case("5.1 RST_STREAM on a closed stream", get + Wire.reset(1, 5), .allowed),
        Case("5.1.1 an even id", Wire.headers(2, Wire.get), .connection(.streamIdentifier, .protocolError)),
        Case(
            "5.1.1 an id that was passed over", Wire.headers(5, Wire.get) + Wire.headers(3, Wire.get),
            .connection(.streamIdentifier, .protocolError)),
        Case("5.1.1 ids may be passed over", Wire.headers(1, Wire.get) + Wire.headers(31, Wire.get), .allowed),
        Case(
            "8.1 a second head", post + Wire.headers(1, Wire.fields([("x", "y")]), flags: 4),
            .stream(.unexpectedHeaders, .protocolError)),
        Case(
            "8.1 pseudo-fields in trailers", post + Wire.headers(1, Wire.fields([(":path", "/")])),
            .stream(.pseudoField, .protocolError)),
        Case(
            "8.1.1 a body longer than announced",
            Wire.headers(1, Wire.post + Wire.fields([("content-length", "1")]), flags: 4) + Wire.data(1, [1, 2]),
            .stream(.contentLength, .protocolError)),
        Case(
            "8.1.1 a body shorter than announced",
            Wire.headers(1, Wire.post + Wire.fields([("content-length", "3")]), flags: 4)
                + Wire.data(1, [1, 2], flags: 1), .stream(.contentLength, .protocolError)),
        Case(
            "8.1.1 no body though one was announced", with([("content-length", "3")]),
            .stream(.contentLength, .protocolError)),
        Case(
            "8.1.1 trailers before the body's end",
            Wire.headers(1, Wire.post + Wire.fields([("content-length", "3")]), flags: 4)
                + Wire.headers(1, Wire.fields([("x", "y")])), .stream(.contentLength, .protocolError)),
        Case(
            "8.1.1 two lengths", with([("content-length", "0"), ("content-length", "0")]),
            .stream(.contentLength, .protocolError)),
        Case("8.1.1 a length that is none", with([("content-length", "1x")]), .stream(.contentLength, .protocolError)),
        Case(client: "8.1 DATA before a head", Wire.data(1, [1]), .stream(.dataBeforeHeaders, .protocolError)),
        Case(
            client: "8.1 an interim response that ends", response([(":status", "103")], flags: 5),
            .stream(.interimWithEnd, .protocolError)),
        Case(
            client: "8.1 a response to nothing", response([(":status", "200")], stream: 9),
            .connection(.idleStream, .protocolError)),
        Case(
            client: "8.1.1 a body in the answer to HEAD",
            response([(":status", "200"), ("content-length", "3")], stream: 3) + Wire.data(3, [1]),
            .stream(.contentLength, .protocolError)),
        Case(
            client: "8.1.1 a body behind 204", response([(":status", "204")]) + Wire.data(1, [1]),
            .stream(.contentLength, .protocolError)),
        Case(client: "8.3.2 no status", response([("a", "b")]), .stream(.missingPseudoField, .protocolError)),
        Case(
            client: "8.3.2 a status of two digits", response([(":status", "20")]), .stream(.pseudoField, .protocolError)
        ),
        Case(
            client: "8.3.2 two statuses", response([(":status", "200"), (":status", "200")]),
            .stream(.pseudoField, .protocolError)),
        Case(
            client: "8.3.2 a request's field in a response", response([(":status", "200"), (":path", "/")]),
            .stream(.pseudoField, .protocolError)),
        Case(client: "8.6 status 101", response([(":status", "101")]), .stream(.pseudoField, .protocolError)),
    ]

    static let fields: [Case] = [
        Case("8.2.1 a name in upper case", with([("X-y", "1")]), .stream(.fieldName, .protocolError)),
        Case("8.2.1 an empty name", with([("", "1")]), .stream(.fieldName, .protocolError)),
        Case("8.2.1 a space in a name", with([("a b", "1")]), .stream(.fieldName, .protocolError)),
        Case("8.2.1 a colon in a name", with([("a:b", "1")]), .stream(.fieldName, .protocolError)),
        Case(
            "8.2.1 a long name in upper case", with([("x-a-name-longer-than-sixteeN", "1")]),
            .stream(.fieldName, .protocolError)),
        Case("8.2.1 CR in a value", with([("a", "b\rc")]), .stream(.fieldValue, .protocolError)),
        Case(
            "8.2.1 LF in a value", with([("a", "a value of more than sixteen bytes\n")]),
            .stream(.fieldValue, .protocolError)),
        Case("8.2.1 NUL in a value", with([("a", "\0")]), .stream(.fieldValue, .protocolError)),
        Case("8.2.1 a space before a value", with([("a", " b")]), .stream(.fieldValue, .protocolError)),
        Case("8.2.1 a tab behind a value", with([("a", "b\t")]), .stream(.fieldValue, .protocolError)),
        Case(
            "8.2.1 CR in a path",
            request([(":method", "GET"), (":scheme", "http"), (":path", "/\r"), (":authority", "a")]),
            .stream(.fieldValue, .protocolError)),
        Case("8.2.2 connection", with([("connection", "close")]), .stream(.connectionField, .protocolError)),
        Case("8.2.2 keep-alive", with([("keep-alive", "1")]), .stream(.connectionField, .protocolError)),
        Case(
            "8.2.2 proxy-connection", with([("proxy-connection", "close")]), .stream(.connectionField, .protocolError)),
        Case(
            "8.2.2 transfer-encoding", with([("transfer-encoding", "chunked")]),
            .stream(.connectionField, .protocolError)),
        Case("8.2.2 upgrade", with([("upgrade", "h2c")]), .stream(.connectionField, .protocolError)),
        Case("8.2.2 te but trailers", with([("te", "gzip")]), .stream(.connectionField, .protocolError)),
        Case("8.2.2 an empty te", with([("te", "")]), .stream(.connectionField, .protocolError)),
        Case("8.2.2 te: trailers", with([("te", "trailers")]), .allowed),
        Case("8.3 an unknown pseudo-field", with([(":x", "y")]), .stream(.fieldName, .protocolError)),
        Case("8.3 a response's field in a request", with([(":status", "200")]), .stream(.pseudoField, .protocolError)),
        Case(
            "8.3 a pseudo-field behind a field",
            request([("a", "b"), (":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")]),
            .stream(.pseudoField, .protocolError)),
        Case("8.3.1 the method twice", with([(":method", "GET")]), .stream(.pseudoField, .protocolError)),
        Case(
            "8.3.1 no method", request([(":scheme", "http"), (":path", "/"), (":authority", "a")]),
            .stream(.missingPseudoField, .protocolError)),
        Case(
            "8.3.1 no scheme", request([(":method", "GET"), (":path", "/"), (":authority", "a")]),
            .stream(.missingPseudoField, .protocolError)),
        Case(
            "8.3.1 no path", request([(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
            .stream(.missingPseudoField, .protocolError)),
        Case(
            "8.3.1 an empty path",
            request([(":method", "GET"), (":scheme", "http"), (":path", ""), (":authority", "a")]),
            .stream(.invalidPath, .protocolError)),
        Case(
            "8.3.1 a path without a slash",
            request([(":method", "GET"), (":scheme", "http"), (":path", "a"), (":authority", "a")]),
            .stream(.invalidPath, .protocolError)),
        Case(
            "8.3.1 a space in a path",
            request([(":method", "GET"), (":scheme", "http"), (":path", "/a b"), (":authority", "a")]),
            .stream(.invalidPath, .protocolError)),
        Case(
            "8.3.1 * without OPTIONS",
            request([(":method", "GET"), (":scheme", "http"), (":path", "*"), (":authority", "a")]),
            .stream(.invalidPath, .protocolError)),
        Case(
            "8.3.1 no authority and no host", request([(":method", "GET"), (":scheme", "http"), (":path", "/")]),
            .stream(.invalidAuthority, .protocolError)),
        Case(
            "8.3.1 an empty authority",
            request([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "")]),
            .stream(.invalidAuthority, .protocolError)),
        Case(
            "8.3.1 a user in the authority",
            request([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "u@a")]),
            .stream(.invalidAuthority, .protocolError)),
        Case("8.3.1 another host", with([("host", "b")]), .stream(.invalidAuthority, .protocolError)),
        Case("8.3.1 two hosts", with([("host", "a"), ("host", "a")]), .stream(.invalidAuthority, .protocolError)),
        Case("8.3.1 the same host", with([("host", "A")]), .allowed),
        Case(
            "8.3.1 a method that is none",
            request([(":method", "G T"), (":scheme", "http"), (":path", "/"), (":authority", "a")]),
            .stream(.pseudoField, .protocolError)),
        Case(
            "8.3.1 an empty scheme",
            request([(":method", "GET"), (":scheme", ""), (":path", "/"), (":authority", "a")]),
            .stream(.pseudoField, .protocolError)),
        Case(
            "8.5 CONNECT with a path", request([(":method", "CONNECT"), (":path", "/"), (":authority", "a:1")]),
            .stream(.pseudoField, .protocolError)),
        Case(
            "8.5 CONNECT without an authority", request([(":method", "CONNECT")]),
            .stream(.missingPseudoField, .protocolError)),
        Case(
            "8.5 CONNECT without a port", request([(":method", "CONNECT"), (":authority", "a")]),
            .stream(.invalidAuthority, .protocolError)),
        Case(
            "8441 4 a protocol without CONNECT",
            request([(":method", "GET"), (":protocol", "w"), (":scheme", "http"), (":path", "/"), (":authority", "a")]),
            .stream(.pseudoField, .protocolError)),
        Case(
            "8441 4 a protocol without a path",
            request([(":method", "CONNECT"), (":protocol", "w"), (":scheme", "http"), (":authority", "a")]),
            .stream(.missingPseudoField, .protocolError)),
    ]

    @Test(arguments: frames + streams + fields) func rule(_ sample: Case) {
        let transcript = HTTP2Transcript(sample.role, sample.bytes)
        let written = HTTP2Bytes.describe(transcript.output)
        let seen: Comment = "\(transcript.lines), \(written)"
        switch sample.outcome {
        case .connection(let kind, let code):
            #expect(transcript.violation?.kind == kind && transcript.violation?.code == code, seen)
            #expect(
                written.last?.hasPrefix("GOAWAY") == true && written.last?.hasSuffix(" \(code.rawValue)") == true, seen)
        case .stream(let kind, let code):
            #expect(transcript.violation == nil, seen)
            #expect(transcript.lines.contains { $0.hasSuffix("code \(code.rawValue) \(kind)") }, seen)
            #expect(written.contains { $0.hasPrefix("RST_STREAM") && $0.hasSuffix(" \(code.rawValue)") }, seen)
        case .allowed:
            #expect(transcript.violation == nil && !written.contains { $0.hasPrefix("RST") }, seen)
        }
        let places = stride(from: 0, through: sample.bytes.count, by: max(1, sample.bytes.count / 150))
        let problem = HTTP2Checks.session(sample.role, sample.bytes, splits: places.map { [$0] })
        #expect(problem == nil)
    }

    /// References to a field that is malformed are malformed, too, and what is right keeps working.
    @Test func whatEntersTheTableIsJudgedWhenItIsUsed() {
        let bad = HTTP2Bytes.fields([("x-bad", "a\nb")], first: 0x40)
        let bytes =
            HTTP2Bytes.clientStart + HTTP2Bytes.headers(1, HTTP2Bytes.get + bad)
            + HTTP2Bytes.headers(3, HTTP2Bytes.get + [0xbe]) + HTTP2Bytes.headers(5, HTTP2Bytes.get + [0x7e, 1, 0x31])
        let lines = HTTP2Transcript(.server, bytes).lines
        #expect(lines.count == 4 && lines[0].hasSuffix("fieldValue") && lines[1].hasSuffix("fieldValue"), "\(lines)")
        #expect(lines[2].hasSuffix(#"[other "x-bad"="1"]"#), "\(lines)")
    }

    @Test func everyKindHasALabelOfItsOwn() {
        let labels = HTTP2Violation.Kind.allCases.map { "\($0.label)" }
        #expect(Set(labels).count == labels.count && !labels.contains(""))
    }
}
