import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Health checks by `grpc.health.v1`, with a real server.
    @Suite(.timeLimit(.minutes(1))) struct GRPCHealthTests {
        private func state(_ daemon: Daemon) throws -> String {
            struct Cluster: Decodable {
                struct Endpoint: Decodable {
                    var health: String
                    var checkFailure: String?
                }
                var name: String
                var endpoints: [Endpoint]
            }
            let clusters = try JSONDecoder().decode([Cluster].self, from: Data(daemon.get("/clusters").body.utf8))
            let endpoint = try #require(clusters.first { $0.name == "servers" }?.endpoints.first)
            return endpoint.health + (endpoint.checkFailure.map { " " + $0 } ?? "")
        }

        @Test func servingPassesAndAllElseFailsWithItsReason() async throws {
            let server = try await GRPCServer()
            let check =
                "healthCheck: {grpc: {service: shop.Cart}, interval: 30ms, timeout: 300ms, unhealthyAfter: 1, "
                + "healthyAfter: 1}"
            let (daemon, web) = try await Daemon.grpc(to: [server], cluster: ", panicThreshold: 0%, " + check)
            func becomes(_ expected: String) async throws {
                let isSo = try await eventually { try state(daemon) == expected }
                let found = try state(daemon)
                #expect(isSo, "\(expected), but \(found)")
            }
            // Past the proxy, which does not let calls through to a server that fails.
            func set(_ status: String) throws {
                try daemon.grpc("set_control", server.address, ["{\"health\": {\"shop.Cart\": \(status)}}"])
            }
            try await becomes("unhealthy unknown_service")
            #expect(try daemon.call(web, "Unary").contains("grpc-status: 14\r\n"))
            try set("1")
            try await becomes("healthy")
            #expect(try daemon.call(web, "Unary").contains("grpc-status: 0\r\n"))
            for status in ["0", "2", "3", "\"none\""] {
                try set(status)
                try await becomes("unhealthy not_serving")
                try set("1")
                try await becomes("healthy")
            }
            for (status, reason) in [("garbage", "protocol_error"), ("silent", "timeout")] {
                try set("\"\(status)\"")
                try await becomes("unhealthy \(reason)")
            }
            try set("1")
            try await becomes("healthy")
            server.kill()
            try await becomes("unhealthy connect")
            let metrics = try daemon.get("/metrics").body
            for reason in ["unknown_service", "not_serving", "protocol_error", "timeout", "connect"] {
                let series = "apus_cluster_health_check_failures_total{cluster=\"servers\",reason=\"\(reason)\"} "
                let line = try #require(metrics.split(separator: "\n").first { $0.hasPrefix(series) })
                #expect(!line.hasSuffix(" 0"), "\(line)")
            }
        }

        /// Servers that speak something else, and a server without a health service.
        @Test func whoeverDoesNotSpeakItFails() async throws {
            let check = ", panicThreshold: 0%, healthCheck: {grpc: {}, interval: 30ms, timeout: 300ms}"
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory)
            let (first, _) = try await Daemon.http(to: [nginx], cluster: check)
            let isBroken = try await eventually { try state(first) == "unhealthy protocol_error" }
            #expect(isBroken)
            let closing = try Server { _ in }
            let (second, _) = try await Daemon.http(to: [closing], cluster: check)
            let isClosed = try await eventually { try state(second) == "unhealthy closed" }
            #expect(isClosed)
            // The server's own health is asked for without a name.
            let (third, _) = try await Daemon.grpc(to: [try await GRPCServer()], cluster: check)
            let isHealthy = try await eventually { try state(third) == "healthy" }
            #expect(isHealthy)
        }
    }
}
