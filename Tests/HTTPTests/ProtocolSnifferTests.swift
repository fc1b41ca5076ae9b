import HTTP
import Testing

/// What first bytes are the beginning of, however they are split.
struct ProtocolSnifferTests {
    private static func judge(_ bytes: some Collection<UInt8>) -> ProtocolSniffer.Verdict {
        ProtocolSniffer.judge(Array(bytes).span)
    }

    private static let hello: [UInt8] = [0x16, 3, 1, 0x02, 0, 1, 0, 1, 0xfc, 3, 3]
    static let samples: [(bytes: [UInt8], verdict: ProtocolSniffer.Verdict)] = [
        (hello, .tls),
        ([0x16, 3, 3, 0x40, 0, 1], .tls),
        // An alert, a ServerHello, a version and lengths that no client begins with.
        ([0x15, 3, 1, 0, 2, 1], .other),
        ([0x16, 3, 1, 0x02, 0, 2], .other),
        ([0x16, 2, 1, 0x02, 0, 1], .other),
        ([0x16, 3, 5, 0x02, 0, 1], .other),
        ([0x16, 3, 1, 0x41, 0, 1], .other),
        ([0x16, 3, 1, 0, 0, 1], .other),
        // A MySQL client's answer, a PostgreSQL startup, Redis, memcached in both of its forms.
        ([0x20, 0, 0, 1, 0x85, 0xa6, 3, 0], .other),
        ([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f], .other),
        (text("*1\r\n$4\r\nPING\r\n"), .other),
        (text("get /key\r\n"), .other),
        ([0x80, 0, 0, 3], .other),
        (text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), .http2),
        (text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"), .http2),
        // It begins so, but is a request: the decoder says what is wrong with it.
        (text("PRI * HTTP/2.0\r\n\r\nXX"), .http1),
        (text("PRI * HTTP/1.1\r\n"), .http1),
        (text("PRI /\r\n"), .http1),
        (text("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), .http1),
        (text("POST http://a/ HTTP/1.1\r\n"), .http1),
        (text("GET HTTPS://a/ HTTP/1.1\r\n"), .http1),
        (text("OPTIONS * HTTP/1.1\r\n"), .http1),
        (text("CONNECT a:443 HTTP/1.1\r\n"), .http1),
        (text("VERSION-CONTROL /a HTTP/1.1\r\n"), .http1),
        (text("\r\n\r\nGET / HTTP/1.1\r\n"), .http1),
        (text("\nGET / HTTP/1.1\r\n"), .http1),
        // Refused by the decoder, but nothing else either.
        (text("GET   / HTTP/1.1\r\n"), .http1),
        (text("GET /"), .http1),
        // Other protocols with words at their beginning.
        (text("OPTIONS * RTSP/1.0\r\n"), .other),
        (text("OPTIONS rtsp://a/ RTSP/1.0\r\n"), .other),
        (text("INVITE sip:a@b SIP/2.0\r\n"), .other),
        (text("EHLO mail.example\r\n"), .other),
        (text("NICK someone\r\n"), .other),
        (text("SSH-2.0-OpenSSH_9.2\r\n"), .other),
        (text("PING\r\n"), .other),
        (text("\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n"), .other),
        (text(String(repeating: "A", count: 25)), .other),
        (text("GET          / HTTP/1.1"), .other),
        (text("GET\t/ HTTP/1.1"), .other),
        (text(" GET / HTTP/1.1"), .other),
        (text("HELP httpx"), .other),
    ]

    private static func text(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test(arguments: samples) func itIsKnownByItsFirstBytes(bytes: [UInt8], verdict: ProtocolSniffer.Verdict) {
        #expect(Self.judge(bytes) == verdict)
    }

    @Test(arguments: samples) func everySplitDecidesAlike(bytes: [UInt8], verdict: ProtocolSniffer.Verdict) {
        for count in bytes.indices {
            let early = Self.judge(bytes[..<count])
            #expect(early == .needMore || early == verdict, "after \(count) bytes: \(early)")
        }
    }

    @Test func thePrefaceIsNotBelievedBeforeItsEnd() {
        let preface = Self.text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        for count in preface.indices { #expect(Self.judge(preface[..<count]) == .needMore) }
    }

    /// Pieces of everything above, put together at random.
    @Test func noInputWaitsForEverOrChangesItsMind() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SplitMix(state: seed)
        let words = [
            "PRI * HTTP/2.0\r\n", "\r\n", "GET", "CONNECT", " ", "  ", "/", "*", "http", "://", " HTTP/", "A-_", "a",
        ]
        for _ in 0..<20_000 {
            var bytes: [UInt8] = []
            while bytes.count < ProtocolSniffer.bytesMax {
                if random.next() % 4 == 0 {
                    bytes.append(UInt8(truncatingIfNeeded: random.next() % 24))
                } else {
                    bytes += words[Int(random.next() % UInt64(words.count))].utf8
                }
            }
            let whole = bytes.prefix(ProtocolSniffer.bytesMax)
            let verdict = Self.judge(whole)
            #expect(verdict != .needMore, "seed \(seed): \(whole)")
            let isSteady = whole.indices.allSatisfy { count in
                let early = Self.judge(whole[..<count])
                return early == .needMore || early == verdict
            }
            #expect(isSteady, "seed \(seed): \(whole)")
        }
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return bits ^ bits >> 31
    }
}
