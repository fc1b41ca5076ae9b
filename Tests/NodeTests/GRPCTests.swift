import Foundation
import Glibc
import Lab
import Model
import Testing

/// grpcio clients and servers in pods of different hosts, both proxies speaking HTTP/2 by their tables.
extension NodeTests {
    @Suite struct GRPCTests {
        private static let service = SocketAddress(IPAddress(v4: 0x0a60_0014), 80)
        private static let servers: [PodName] = [.b1, .b2]

        /// What `load` of `Tests/GRPC/client.py` saw.
        private struct Load: Decodable {
            var calls: Int
            var failures: [String]
            /// How streams have ended, by server and status.
            var streams: [String: [String: Int]]
            var servers: [String: Int]
            var slowest: Double
        }

        /// A1's calls to the service go to B1 and B2, and are tried again.
        private func called(_ plan: inout MeshPlan, _ spoken: String) {
            plan.a.outbound[.a1] = ["{match: {ports: [80]}, protocol: \(spoken), routes: calls}"]
            let endpoints = Self.servers.map { "{address: \"\($0.v4):8080\"}" }.joined(separator: ", ")
            plan.a.clusters = ["{name: cart, protocol: http2, endpoints: [\(endpoints)]}"]
            plan.a.routes = [
                """
                {name: calls, virtualHosts: [{domains: ["*"], rules: [{name: cart, match: {path: {prefix: /test.Echo/}}, \
                route: {cluster: cart, retryNonIdempotent: true, retry: {attempts: 4, grpc: [unavailable], budget: 100%, \
                backoff: {base: 10ms}}}}]}]}
                """
            ]
            for pod in Self.servers {
                plan.b.inbound[pod] = ["{match: {ports: [8080]}, protocol: \(spoken)}"]
            }
        }

        private func serve(_ lab: Lab, _ pod: PodName) throws -> LabProcess {
            let process = try lab[pod].start(try Programs.grpc("server.py", ["0.0.0.0:8080", "\(pod)"]))
            let isServing = eventually(within: .seconds(20)) { process.output.hasSuffix("\n") || !process.isRunning }
            guard isServing, process.isRunning else { throw LabError("server of \(pod): \(process.errors)") }
            return process
        }

        /// Calls and streams of A1 for some seconds; `meanwhile` runs once both servers have answered.
        private func load(_ mesh: Mesh, seconds: Int = 5, meanwhile: () throws -> Void) throws -> Load {
            let arguments = ["load", "\(Self.service)", "\(seconds)", "8", "20"]
            let client = try mesh.lab[.a1].start(try Programs.grpc("client.py", arguments))
            defer { client.signal(SIGKILL) }
            let isUnderWay = try eventually(within: .seconds(20)) {
                guard client.output.hasPrefix("ready") else { return false }
                return try mesh.a.accessLog().count { $0.path == "/test.Echo/Unary" } > 100
            }
            guard isUnderWay else { throw LabError("client: \(client.output)\(client.errors)") }
            try meanwhile()
            guard try client.wait(atMost: .seconds(30)) == .status(0) else { throw LabError(client.errors) }
            let line = client.output.split(separator: "\n").first { $0.hasPrefix("{") } ?? ""
            return try JSONDecoder().decode(Load.self, from: Data(line.utf8))
        }

        @Test(arguments: ["http2", "http"])
        func aKilledEndpointCostsNoCall(spoken: String) throws {
            try withMesh({ called(&$0, spoken) }) { mesh in
                let processes = try Self.servers.map { try serve(mesh.lab, $0) }
                defer { for process in processes { process.signal(SIGKILL) } }
                let load = try load(mesh) { processes[1].signal(SIGKILL) }
                #expect(load.failures.isEmpty && load.calls > 200 && load.slowest < 2, "\(load)")
                #expect(Set(load.servers.keys) == ["B1", "B2"], "\(load)")
                #expect(load.streams["B1"] == ["OK": 10] && load.streams["B2"] == ["UNAVAILABLE": 10], "\(load)")
                let record = try mesh.b.record { $0.path == "/test.Echo/Unary" && $0.direction == "inbound" }
                #expect(record.destinationPod == "shop/b1" || record.destinationPod == "shop/b2", "\(record)")
                let address = try #require(record.client.flatMap { SocketAddress($0) }).address
                #expect(address == PodName.a1.v4, "the caller's own address")
            }
        }

        /// What goes through the servers' host's proxy ends with it; new calls go past it, without any process's doing.
        @Test func aKilledProxyOfTheServersHostCostsNoCall() throws {
            try withMesh({ called(&$0, "http2") }) { mesh in
                let processes = try Self.servers.map { try serve(mesh.lab, $0) }
                defer { for process in processes { process.signal(SIGKILL) } }
                let load = try load(mesh) { try mesh.b.kill() }
                #expect(load.failures.isEmpty && load.calls > 200 && load.slowest < 2, "\(load)")
                let ended = ["UNAVAILABLE": 10]
                #expect(load.streams == ["B1": ended, "B2": ended], "\(load)")
            }
        }
    }
}
