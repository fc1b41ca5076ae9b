import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess
import enum Lab.Programs

extension RunningDaemon {
    /// What goes wrong behind the proxy, or in it, as gRPC clients see it.
    @Suite(.timeLimit(.minutes(2))) struct GRPCFailureTests {
        private static let retries =
            ", retryNonIdempotent: true, retry: {attempts: 3, when: [connectFailure, reset, refusedStream], budget: 100%, "
            + "backoff: {base: 5ms}}"

        /// Calls are tried elsewhere; streams cannot be, and their clients are told so.
        @Test func aKilledEndpoint() async throws {
            let servers = [try await GRPCServer(name: "one"), try await GRPCServer(name: "two")]
            let (daemon, web) = try await Daemon.grpc(to: servers, route: Self.retries, workers: 2)
            let client = try LabProcess(
                try Programs.grpc("client.py", ["load", "\(web)", "4", "8", "20"]), directory: daemon.folder.path,
                label: "load")
            defer { client.signal(SIGKILL) }
            #expect(await eventually { client.output.hasPrefix("ready") })
            #expect(try await eventually { try daemon.sum("apus_cluster_grpc_requests_total") > 50 })
            servers[1].kill()
            #expect(try client.wait(atMost: .seconds(20)) == .status(0), "\(client.errors)")
            let load = try GRPCLoad(client.output)
            #expect(load.failures.isEmpty && load.calls > 100 && load.slowest < 2, "\(load)")
            #expect(load.servers.count == 2, "\(load)")
            // One worker serves the one connection of the streams, and balances them exactly.
            #expect(load.streams == ["one": ["OK": 10], "two": ["UNAVAILABLE": 10]], "\(load)")
            #expect(try await daemon.isAtRest())
        }

        @Test func answersOfTheProxyAreStatuses() async throws {
            let server = try await GRPCServer()
            let dead = try Acceptor(isListening: false)
            let forward = "route: {cluster: servers}"
            let (daemon, web) = try await Daemon.grpc(
                to: [server], rules: ["{match: {path: {prefix: /other}}, \(forward)}"])
            func reload(_ rules: [String], to endpoints: [SocketAddress], _ more: String = "") async throws {
                try await daemon.reload(
                    daemon.http(
                        web, to: endpoints, cluster: ", protocol: http2" + more, speaks: "http2", rules: rules))
            }
            try daemon.grpc("refused", web, ["UNIMPLEMENTED", "no route matches"])
            try await reload(["{\(forward)}"], to: [])
            try daemon.grpc("refused", web, ["UNAVAILABLE", "no healthy endpoint"])
            try await reload(["{\(forward)}"], to: [dead.address])
            try daemon.grpc("refused", web, ["UNAVAILABLE", "no endpoint accepts the connection"])
            try await reload(
                ["{\(forward), filters: [{fault: {abort: {percent: 100, status: 403}}}]}"], to: [server.address])
            try daemon.grpc("refused", web, ["PERMISSION_DENIED", "fault injected"])
            try await reload(
                ["{\(forward), filters: [{localRateLimit: {requests: 1, per: 1h}}]}"], to: [server.address])
            #expect(try daemon.call(web, "Unary").contains("grpc-status: 0\r\n"))
            try daemon.grpc("refused", web, ["UNAVAILABLE", "rate limit exceeded"])
            let lines = await daemon.requestLines(21)
            #expect(lines.allSatisfy { $0.status == 200 })
            let statuses = Dictionary(grouping: lines, by: { $0.grpcStatus ?? -1 }).mapValues(\.count)
            #expect(statuses == [0: 1, 7: 4, 12: 4, 14: 12], "\(statuses)")
            #expect(try await daemon.isAtRest())
        }

        @Test func statusesOfTheListAreTriedAgain() async throws {
            let retry = "retry: {attempts: 2, grpc: [unavailable, aborted], backoff: {base: 1ms}, budget: 100%}"
            let server = try await GRPCServer()
            let (daemon, web) = try await Daemon.grpc(to: [server], route: ", retryNonIdempotent: true, \(retry)")
            #expect(try daemon.grpc("retried", web, ["2", "14", "OK"]) == ["3"])
            #expect(try daemon.grpc("retried", web, ["1", "10", "OK"]) == ["5"])
            #expect(try daemon.grpc("retried", web, ["3", "14", "UNAVAILABLE"]) == ["8"])
            #expect(try daemon.grpc("retried", web, ["1", "13", "INTERNAL"]) == ["9"])
            let flaky = await daemon.requestLines(12).filter { $0.path == "/test.Echo/Flaky" }
            #expect(flaky.map(\.attempts) == [3, 2, 3, 1] && flaky.map(\.grpcStatus) == [0, 0, 14, 13], "\(flaky)")
            // What may have been executed is not executed again unless the route says so.
            try await daemon.reload(
                daemon.http(
                    web, to: [server.address], route: ", \(retry)", cluster: ", protocol: http2", speaks: "http2"))
            #expect(try daemon.grpc("retried", web, ["1", "14", "UNAVAILABLE"]) == ["10"])
        }

        /// A call that got no connection would be `unavailable` to its caller, and so it is to the list.
        @Test func withoutAConnectionACallIsUnavailable() async throws {
            let dead = try Acceptor(isListening: false)
            let server = try await GRPCServer()
            let (daemon, web) = try await Daemon.http(
                to: [dead, server], route: ", retry: {attempts: 1, when: [5xx], grpc: [unavailable], budget: 100%}",
                cluster: ", protocol: http2", speaks: "http2")
            for _ in 0..<4 { #expect(try daemon.call(web, "Unary").contains("grpc-status: 0\r\n")) }
            try await daemon.reload(
                daemon.http(
                    web, to: [dead.address, server.address],
                    route: ", retry: {attempts: 1, when: [5xx], grpc: [aborted], budget: 100%}",
                    cluster: ", protocol: http2", speaks: "http2"))
            let answers = try (0..<4).map { _ in try daemon.call(web, "Unary").contains("grpc-status: 14\r\n") }
            #expect(answers.contains(true))
        }
    }
}
