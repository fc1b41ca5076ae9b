import HTTPChecks
import Testing

@testable import HTTP

/// What becomes of fields in tables and on their way on.
struct HPACKFieldTests {
    /// A name is taken over from an entry, what was wrong with its value is not.
    @Test func aNameWithoutItsValuesFault() {
        var reader = BlockReader(.request)
        #expect(reader.read(HTTP2Bytes.fields([("te", "gzip")], first: 0x40)) == [])
        #expect(reader.problem == .connectionField)
        #expect(reader.read([0x7e] + HTTP2Bytes.string("trailers")) == ["te: trailers"] && reader.problem == nil)
        #expect(reader.read([0xbe]) == ["te: trailers"] && reader.problem == nil)
        #expect(reader.read([0xbf]) == [] && reader.problem == .connectionField)
    }

    @Test func largeFieldsAreFieldsLikeOthers() {
        var reader = BlockReader(.request)
        let value = String(repeating: "v", count: 100_000)
        let name = String(repeating: "n", count: 70_000)
        _ = reader.read(HTTP2Bytes.fields([("a", "b")], first: 0x40))
        #expect(reader.read(HTTP2Bytes.fields([(name, value)])) == ["\(name): \(value)"])
        #expect(reader.table == ["a: b"])
        // One that is larger than the table empties it.
        #expect(reader.read(HTTP2Bytes.fields([(name, value)], first: 0x40)) == ["\(name): \(value)"])
        #expect(reader.table == [] && reader.decoder.table.size == 0)
    }

    /// Also of pseudo-fields it is kept that no table may hold them, on the way to another connection.
    @Test func neverIndexedGoesOn() {
        let block =
            HTTP2Bytes.fields([(":method", "GET"), (":scheme", "http")])
            + HTTP2Bytes.fields([(":path", "/secret"), (":authority", "a.b"), ("x-token", "12345")], first: 0x10)
        var server = TestPeer(.server)
        var client = TestPeer(.client)
        server.feed(HTTP2Bytes.clientStart)
        for stream: UInt32 in [1, 3, 5] {
            _ = client.take()
            server.feed(HTTP2Bytes.headers(stream, block))
            guard let id = client.session.open(tag: 0) else { return }
            client.session.sendRequest(server.head, on: id, framing: .none, isEnd: true, into: &client.output)
            let sent = client.take().dropFirst(9)
            // Literals that say so, each time: no index of what was sent before.
            let expected =
                [0x82, 0x86, 0x14] + HTTP2Bytes.string("/secret") + [0x11] + HTTP2Bytes.string("a.b") + [0x10]
                + HTTP2Bytes.string("x-token") + HTTP2Bytes.string("12345")
            #expect(Array(sent) == expected)
        }
    }

    /// Credentials, and cookies that can be guessed, enter no table.
    @Test func secretsEnterNoTable() {
        var encoder = HPACKEncoder(sizeLimit: 4096)
        var head = MessageHead()
        let long = Array("session=0123456789abcdef0123456789".utf8)
        head.append(.authorization, "Bearer 0123456789abcdef0123456789")
        head.append(.cookie, "short=1")
        head.append(.setCookie, long.span)
        head.append(.accept, "text/html")
        for _ in 0..<4 {
            var output = OutputBytes()
            encoder.fields(of: head, takesTrailers: false, into: &output.buffer)
            #expect(output.bytes.starts(with: [0x1f, 8]))
        }
        #expect(encoder.table.count == 2)
    }

    /// What is sent once is not kept, so that it pushes nothing out; what is sent again is an index from then on.
    @Test func whatRepeatsIsAnIndex() {
        var encoder = HPACKEncoder(sizeLimit: 4096)
        var counts: [Int] = []
        for round in 0..<200 {
            var head = MessageHead()
            head.append(.userAgent, "a client of some length/1.0")
            head.append(.accept, "application/json")
            head.append(Array("x-request-id".utf8).span, Array("0af7651916cd43dd-\(round)".utf8).span)
            var output = OutputBytes()
            encoder.fields(of: head, takesTrailers: false, into: &output.buffer)
            counts.append(output.bytes.count)
        }
        #expect(encoder.table.count == 2 && counts[2...].allSatisfy { $0 < 40 }, "\(counts.prefix(5))")
    }
}
