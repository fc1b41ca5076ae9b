import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// RFC 9113, case by case, by a client that breaks rules (`Tests/Conformance/http2.py`).
    @Suite(.timeLimit(.minutes(2))) struct HTTP2ConformanceTests {
        private static let client = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Conformance/http2.py").standardized

        @Test func everyCase() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1", speaks: "http2")
            let result = try daemon.run(
                ["/usr/bin/python3", Self.client.path, "127.0.0.1", "\(web.port)"], within: .seconds(90))
            let lines = result.output.split(separator: "\n")
            #expect(result.status == .status(0), "\(lines.filter { !$0.hasPrefix("ok ") }.joined(separator: "\n"))")
            #expect(lines.filter { $0.hasPrefix("ok ") }.count >= 140)
            // What was broken by one connection has left nothing behind.
            #expect(try await daemon.isAtRest())
        }
    }
}
