import Foundation
import Lab
import Model
import Testing

/// Ends of a proxy, planned and not, under requests of clients that keep their connections.
extension NodeTests {
    @Suite struct HTTPEndTests {
        private static let target = SocketAddress(PodName.b1.v4, 8080)

        /// Both hosts' proxies read requests between A1 and B1.
        private func decoded(_ plan: inout MeshPlan) {
            plan.a.outbound[.a1] = ["{match: {ports: [8080]}, protocol: http}"]
            plan.b.inbound[.b1] = ["{match: {ports: [8080]}, protocol: http}"]
        }

        /// Every tenth request is under way for a while.
        private static func path(_ number: Int) -> String { number % 10 == 0 ? "/wait/100" : "/\(number)" }

        @Test(arguments: Mesh.Backend.usual)
        func terminationLosesNoRequest(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                decoded(&$0)
            }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let load = SteadyRequests(clients: 8, from: mesh.lab[.a1], to: Self.target, path: Self.path)
                for proxy in [mesh.a, mesh.b] {
                    try load.more(200)
                    #expect(try proxy.terminate() == .status(0), "\(proxy.host.name)")
                    try load.more(50)
                    try proxy.start()
                }
                try load.more(100)
                let outcome = try load.stop()
                #expect(outcome.failures.isEmpty, "\(outcome.failures.count): \(outcome.failures.prefix(3))")
                #expect(outcome.connections >= 16, "all have left each proxy: \(outcome)")
                #expect(server.requests.count >= outcome.requests)
                for proxy in mesh.proxies {
                    for record in try proxy.accessLog() where record.method != nil {
                        #expect(record.status == 200 && record.responseFlags == "-", "\(record)")
                    }
                }
            }
        }

        /// A connection without a request ends with a FIN, soon; one with a request under way after its answer.
        @Test func drainEndsConnectionsInOrder() throws {
            try withMesh({ decoded(&$0) }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let idle = try mesh.lab[.a1].connectHTTP(to: Self.target)
                let busy = try mesh.lab[.a1].connectHTTP(to: Self.target)
                let silent = try mesh.lab[.a1].connectHTTP(to: Self.target)
                #expect(try idle.request().status == 200)
                try busy.send("GET", "/wait/500")
                let isThere = try eventually { try mesh.a.admin.metric("apus_connections_active") >= 3 }
                #expect(isThere)
                try mesh.a.process.signal(SIGTERM)
                let reply = try busy.receive()
                #expect(reply.status == 200 && reply.field("connection") == "close")
                #expect(idle.isEnded(within: .seconds(3)))
                #expect(silent.isEnded(within: .seconds(3)))
                for client in [idle, busy, silent] { client.socket.close() }
                #expect(try mesh.a.process.wait(atMost: .seconds(4)) == .status(0), "it does not wait for its timeout")
                #expect(server.requests.count == 2)
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func afterAKillRequestsGoDirectly(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                decoded(&$0)
            }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let load = SteadyRequests(clients: 4, from: mesh.lab[.a1], to: Self.target)
                try load.more(200)
                try mesh.a.kill()
                for number in 0..<50 {
                    let client = try mesh.lab[.a1].connectHTTP(to: Self.target)
                    let reply = try client.request("GET", "/direct/\(number)")
                    #expect(reply.status == 200 && reply.requestField("x-request-id") == nil)
                    #expect(try reply.greeting.peer.address == PodName.a1.v4)
                }
                try load.more(200)
                let outcome = try load.stop()
                // What was on the dead process's connections is lost, once for each client; and once more for one that
                // connected again while the process was dying, its listeners last.
                #expect(outcome.failures.count <= 8, "\(outcome.failures.prefix(12))")
                #expect(server.requests.count >= outcome.requests - 8)
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func takeOverLosesNoRequest(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                decoded(&$0)
            }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let idle = try mesh.lab[.a1].connectHTTP(to: Self.target)
                #expect(try idle.request().status == 200)
                let load = SteadyRequests(clients: 8, from: mesh.lab[.a1], to: Self.target, path: Self.path)
                try load.more(200)
                try mesh.a.takeOver()
                #expect(idle.isEnded(within: .seconds(3)), "its client can see that it has to connect again")
                idle.socket.close()
                try load.more(200)
                try mesh.b.takeOver()
                try load.more(200)
                let outcome = try load.stop()
                #expect(outcome.failures.isEmpty, "\(outcome.failures.count): \(outcome.failures.prefix(3))")
                #expect(outcome.connections >= 16, "all have left each process: \(outcome)")
                #expect(server.requests.count >= outcome.requests)
                for proxy in mesh.proxies {
                    for record in try proxy.accessLog() where record.method != nil {
                        #expect(record.status == 200 && record.responseFlags == "-", "\(record)")
                    }
                }
            }
        }
    }
}
