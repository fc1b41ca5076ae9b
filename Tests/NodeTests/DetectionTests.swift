import Lab
import Model
import Testing

/// `protocol: auto` at one or both ends of a connection, to the other host and to the client's own: what comes of it does
/// not depend on where the server is.
extension NodeTests {
    @Suite struct DetectionTests {
        /// What stands at each end.
        struct Ends: Sendable, CustomTestStringConvertible {
            var server: PodName
            /// Of the client's table, of the server's.
            var outbound: String, inbound: String
            /// Whose routes requests take.
            var ways: [String]

            static let auto = "auto, routes: out, cluster: web"
            static let bytes = "tcp, cluster: web"

            var testDescription: String { "\(outbound) to \(inbound) of \(server)" }

            static let all: [Ends] = HTTPSameNodeTests.servers.flatMap { server in
                [
                    Ends(server: server, outbound: auto, inbound: "tcp", ways: ["out"]),
                    Ends(server: server, outbound: bytes, inbound: "auto, routes: in", ways: ["in"]),
                    Ends(server: server, outbound: auto, inbound: "auto, routes: in", ways: ["out", "in"]),
                    Ends(server: server, outbound: auto, inbound: "http, routes: in", ways: ["out", "in"]),
                ]
            }
            /// Those that pass bytes on.
            static let open = all.filter { !$0.inbound.hasPrefix("http") }
        }

        private func withEnds(_ ends: Ends, _ body: (Mesh) throws -> Void) throws {
            try withMesh(
                {
                    HTTPSameNodeTests().plan(
                        &$0, ends.server, outbound: "{match: {ports: [80]}, protocol: \(ends.outbound)}",
                        inbound: "{match: {ports: [8080]}, protocol: \(ends.inbound)}")
                }, body)
        }

        @Test(arguments: Ends.all) func requestsAreDetected(ends: Ends) throws {
            try withEnds(ends) { mesh in
                let server = try mesh.lab[ends.server].serveHTTP()
                // The second client meets what was learned from the first.
                for _ in 0..<2 {
                    let client = try mesh.lab[.a1].connectHTTP(to: HTTPTableTests.service)
                    for number in 0..<3 {
                        let reply = try client.request("POST", "/\(number)", body: "some text")
                        #expect(reply.status == 200 && reply.body.hasSuffix("\n\nsome text"), "\(reply)")
                        #expect(try reply.greeting.peer.address == PodName.a1.v4)
                        let seen = try #require(server.requests.last)
                        #expect(seen.fields.filter { $0.name == "x-way" }.map(\.value) == ends.ways)
                    }
                }
                #expect(server.requests.count == 6)
            }
        }

        @Test(arguments: Ends.open) func aServerThatSpeaksFirstIsHeardAtOnce(ends: Ends) throws {
            try withEnds(ends) { mesh in
                let server = try mesh.lab[ends.server].echo()
                for _ in 0..<3 {
                    let socket = try mesh.lab[.a1].connect(to: HTTPTableTests.service)
                    let greeting = try socket.exchange()
                    #expect(greeting.app == "\(ends.server)" && greeting.peer.address == PodName.a1.v4)
                    socket.close()
                }
                #expect(server.accepted == 3)
                let record = try mesh.a.record { $0.method == nil }
                #expect(record.pod == "shop/a1" && record.cluster == "web" && record.reason == "completed")
                try check(record, ends)
            }
        }

        private func check(_ record: AccessRecord, _ ends: Ends) throws {
            let isOwn = ends.server.host == .a
            let pod = isOwn ? ProxyConfiguration.name(of: ends.server) : nil
            #expect(record.destinationPod == pod)
            let detected = isOwn || ends.outbound.hasPrefix("auto") ? "server_first" : nil
            #expect(record.detected == detected)
        }

        /// Nobody listens in the pod: a request is told so, whoever reads it.
        @Test(arguments: Ends.all) func aRefusalIsUnavailabilityAlsoWhenItWasDetected(ends: Ends) throws {
            try withEnds(ends) { mesh in
                // Who says nothing for 0.1 s is reset; on a busy machine this client may be as slow.
                var status: Int?
                for _ in 0..<10 where status == nil {
                    status = try? mesh.lab[.a1].connectHTTP(to: HTTPTableTests.service).request().status
                }
                // Where only bytes arrive at the other host, its proxy resets: a bad gateway.
                #expect(status == (ends.inbound == "tcp" && ends.server.host == .b ? 502 : 503))
            }
        }
    }
}
