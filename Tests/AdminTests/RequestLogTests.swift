import Foundation
import Logging
import Model
import Testing

@testable import Admin

@Suite struct RequestLogTests {
    private let path: String
    private let proxy: FakeProxy

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("apus-log-\(UUID().uuidString)").path
        proxy = try FakeProxy(.httpSample())
    }

    /// What the writer makes of these requests.
    private func lines(
        _ format: Configuration.AccessLog.Format, _ fill: (RequestRing) throws -> Void
    ) throws -> [Data] {
        let ring = RequestRing()
        let writer = writer([], [ring])
        writer.apply(Configuration.AccessLog(path: path, format: format))
        try fill(ring)
        _ = writer.turn()
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: 10)
    }

    private func writer(_ rings: [RecordRing], _ requestRings: [RequestRing]) -> AccessLogWriter {
        AccessLogWriter(
            rings: rings, requestRings: requestRings, names: proxy.names,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    private func push(
        _ ring: RequestRing, _ record: RequestRecord, method: [UInt8] = Array("GET".utf8),
        authority: [UInt8] = Array("cart.shop".utf8), path: [UInt8] = Array("/v2/items?page=2".utf8),
        requestId: [UInt8] = Array("7f3a".utf8), detail: [UInt8] = []
    ) -> Bool {
        ring.push(
            record, method: method.span, authority: authority.span, path: path.span, requestId: requestId.span,
            detail: detail.span)
    }

    @Test func aLineHoldsEverything() throws {
        let lines = try lines(.json) { #expect(push($0, proxy.request())) }
        #expect(
            String(decoding: lines[0], as: UTF8.self) == """
                {"time":"2026-11-22T13:00:00.005Z","method":"GET","authority":"cart.shop","path":"/v2/items?page=2",\
                "protocol":"HTTP/1.1","status":200,"grpcStatus":null,"responseFlags":"-","reasons":"completed","detail":null,\
                "durationMilliseconds":5.123,"firstByteMilliseconds":4.000,"upstreamMilliseconds":4.500,\
                "bytesSent":10,"bytesReceived":2000,"host":null,"pod":"shop/cart","destinationPod":null,"route":"v2",\
                "inboundRoute":null,"cluster":"web","endpoint":"10.1.0.3:8080","source":"10.1.0.2:10300",\
                "listener":"outbound","direction":"outbound","client":"10.1.0.2:40000",\
                "originalDestination":"10.96.0.1:80","attempts":1,"timeouts":0,"requestId":"7f3a","worker":0,\
                "generation":1}
                """)
    }

    @Test func aCallHasItsStatus() throws {
        let record = proxy.request {
            $0.version = .http2
            $0.grpcStatus = 14
        }
        for (format, text) in [
            (Configuration.AccessLog.Format.json, "\"status\":200,\"grpcStatus\":14,"),
            (.text, "HTTP/2\" 200 authority=\"cart.shop\" grpcStatus=14 "),
        ] {
            let lines = try lines(format) { #expect(push($0, record)) }
            #expect(String(decoding: lines[0], as: UTF8.self).contains(text))
        }
    }

    @Test func textIsOneLineWithoutGaps() throws {
        let record = proxy.request {
            $0.status = 0
            $0.flags = [RequestFlags(.clientReset), RequestFlags(.connectFailed)]
            $0.upstreamFirstByteNanoseconds = 0
            $0.upstreamNanoseconds = 0
            $0.cluster = -1
            $0.endpoint.port = 0
            $0.version = .http10
        }
        let lines = try lines(.text) {
            #expect(push($0, record, method: [], path: Array("/a \"b\" \\".utf8), requestId: []))
        }
        #expect(
            String(decoding: lines[0], as: UTF8.self) == """
                2026-11-22T13:00:00.005Z outbound 10.1.0.2:40000 -> 10.96.0.1:80 "- /a \\x22b\\x22 \\x5c HTTP/1.0" - \
                authority="cart.shop" flags=DC,UF detail="" host=- pod=shop/cart destinationPod=- listener=outbound route=v2 \
                inboundRoute=- cluster=- endpoint=- source=10.1.0.2:10300 attempts=1 timeouts=0 sent=10 received=2000 \
                duration=5.123ms firstByte=- upstream=- requestId="" worker=0 generation=1
                """)
    }

    /// Every byte value in every text, invalid UTF-8 of every kind, and what would end a line or a string.
    @Test func noByteOfAPeerCanForgeOrBreakALine() throws {
        let texts: [[UInt8]] =
            [
                Array(0...255), Array("\"},{\"status\":200}\n{\"a\":\"".utf8), Array("/ümlaut/日本/🙂\u{2028}".utf8),
                [0x2f, 0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf0, 0x9f, 0x99],
                [0x80, 0xbf], [0xe2, 0x28, 0xa1], [0xff, 0xfe], Array("a\r\nb\tc\u{1b}[2J\u{7f}".utf8),
            ] + (0...255).map { [UInt8(ascii: "/"), UInt8($0), UInt8(ascii: "x")] }
        let logged = try lines(.json) { ring in
            for text in texts {
                #expect(
                    push(
                        ring, proxy.request(), method: text, authority: text, path: text, requestId: text, detail: text)
                )
            }
        }
        try #require(logged.count == texts.count)
        for (line, text) in zip(logged, texts) {
            #expect(String(validating: line, as: UTF8.self) != nil, "\(text)")
            let object = try #require(
                try JSONSerialization.jsonObject(with: line) as? [String: any Sendable], "\(text)")
            #expect(object["status"] as? Int == 200 && object["cluster"] as? String == "web")
            // Valid text comes out as it went in.
            guard let valid = String(validating: text, as: UTF8.self) else { continue }
            #expect(object["path"] as? String == valid)
            if text.count <= 32 { #expect(object["method"] as? String == valid) }
        }
        let words = try lines(.text) { ring in
            for text in texts { #expect(push(ring, proxy.request(), path: text)) }
        }
        #expect(words.count == texts.count)
        for line in words { #expect(line.allSatisfy { (0x20..<0x7f).contains($0) }) }
    }

    @Test func bytesThatAreNoUTF8AreShown() throws {
        let logged = try lines(.json) {
            #expect(push($0, proxy.request(), path: Array("/a".utf8) + [0xff, 0xc3] + Array("b\n".utf8)))
        }
        let object = try JSONSerialization.jsonObject(with: logged[0]) as? [String: any Sendable]
        #expect(object?["path"] as? String == "/a\\xff\\xc3b\n")
    }

    @Test func namesOfRoutesCannotForgeALineEither() throws {
        var configuration = Configuration.httpSample()
        let name = "r\"\n\u{1}\\"
        configuration.routes[0].virtualHosts[0].rules[0].name = name
        try proxy.publish(configuration)
        let slot = Int32(proxy.routeSlot(name))
        let logged = try lines(.json) { #expect(push($0, proxy.request { $0.route = slot })) }
        #expect(logged.count == 1)
        let object = try JSONSerialization.jsonObject(with: logged[0]) as? [String: any Sendable]
        #expect(object?["route"] as? String == name)
    }

    @Test func connectionsAndRequestsGoToOneFile() throws {
        let (ring, requests) = (RecordRing(), RequestRing())
        let writer = writer([ring], [requests])
        writer.apply(Configuration.AccessLog(path: path))
        #expect(ring.push(ConnectionRecord()))
        for status in [200, 404, 503] as [UInt16] {
            #expect(push(requests, proxy.request { $0.status = status }))
        }
        #expect(writer.turn() == 4)
        let logged = try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: 10)
        let objects = try logged.map { try JSONSerialization.jsonObject(with: $0) as? [String: any Sendable] }
        #expect(objects.count { $0?["method"] == nil } == 1, "a connection has no method")
        #expect(objects.compactMap { $0?["status"] as? Int } == [200, 404, 503], "in order")
        #expect(writer.counts == AccessLogCounts(lines: 4, lost: 0, errors: 0))
        try FileManager.default.removeItem(atPath: path)
    }

    @Test func withoutAnAccessLogNothingIsKept() throws {
        let ring = RequestRing()
        let writer = writer([], [ring])
        #expect(!ring.isWanted)
        writer.apply(Configuration.AccessLog(path: path))
        #expect(ring.isWanted)
        writer.apply(nil)
        for _ in 0..<20_000 { #expect(push(ring, proxy.request())) }
        #expect(writer.turn() == 0)
        #expect(writer.counts == AccessLogCounts())
    }
}
