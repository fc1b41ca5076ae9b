import Foundation
import Lab
import Model
import Synchronization
import Testing

/// Upstream connections are used again, and never by another pod, nor for a request twice.
extension NodeTests {
    @Suite struct HTTPPoolTests {
        private static let target = SocketAddress(PodName.b1.v4, 8080)
        private static let pods = 50

        /// The crowd's addresses without the lab: the configuration is written before it is there.
        private static let addresses = (1...UInt32(pods)).map { IPAddress(v4: 0x0a01_0080 + $0) }

        private static func crowd(_ generation: String) -> [String] {
            addresses.enumerated().map { number, address in
                """
                {name: crowd/\(number), uid: \(number < 5 ? generation : "first"), addresses: [\(address)], \
                outbound: [{match: {ports: [8080]}, protocol: http, cluster: web}]}
                """
            }
        }

        /// Fifty pods, four clients: each request from a pod of its own choosing, on a connection kept for some requests.
        private func requests(_ count: Int, _ lab: Lab) throws -> [String] {
            let jobs = (0..<4).map { worker in
                Background { () -> [String] in
                    var (wrong, kept) = ([String](), [IPAddress: HTTPClient]())
                    for number in 0..<(count / 4) {
                        let address = Self.addresses[(number * 7 + worker * 13) % Self.pods]
                        if number % 250 == 0 { kept = [:] }
                        let client =
                            try kept[address] ?? lab[.a1].connectHTTP(to: Self.target, from: SocketAddress(address, 0))
                        kept[address] = client
                        let reply = try client.request("GET", "/\(worker)/\(number)")
                        let peer = try reply.greeting.peer.address
                        if peer != address || !reply.requestLine.hasPrefix("GET /\(worker)/\(number) ") {
                            wrong.append("\(address) was seen as \(peer): \(reply.requestLine)")
                        }
                    }
                    return wrong
                }
            }
            return try jobs.flatMap { try $0.value() }
        }

        private func crowded(_ plan: inout MeshPlan) {
            plan.a.pods = Self.crowd("first")
            plan.a.clusters = ["{name: web, protocol: http1, endpoints: [{address: \"\(Self.target)\"}]}"]
            plan.b.inbound[.b1] = ["{match: {ports: [8080]}, protocol: http}"]
            plan.prepare = { _ = try $0.crowd(Self.pods, in: .a1) }
        }

        @Test func theServerSeesTheRequestingPod() throws {
            try withMesh({ crowded(&$0) }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let wrong = try requests(10_000, mesh.lab)
                #expect(wrong.isEmpty, "\(wrong.count) of 10,000: \(wrong.prefix(3))")
                #expect(server.requests.count == 10_000)
                #expect(server.accepted < 5_000, "connections are used again: \(server.accepted)")
            }
        }

        /// The pods' addresses go to pods with other UIDs: what their former owners had open ends, pooled or not.
        @Test func anAddressThatMovesTakesNoConnectionAlong() throws {
            try withMesh({ crowded(&$0) }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let clients = try Self.addresses.prefix(10).map {
                    try mesh.lab[.a1].connectHTTP(to: Self.target, from: SocketAddress($0, 0))
                }
                for client in clients { #expect(try client.request().status == 200) }
                // Half of them have a request under way, the others' upstream connections are pooled.
                for place in stride(from: 0, to: clients.count, by: 2) { try clients[place].send("GET", "/wait/3000") }
                let before = server.accepted
                try mesh.a.reload { $0.pods = Self.crowd("second") }
                for client in clients.prefix(5) {
                    let error = #expect(throws: LabError.self) { try client.receive() }
                    #expect(error?.isReset == true, "a reset is not an end: \(String(describing: error))")
                }
                let isLogged = try eventually {
                    try mesh.a.accessLog().filter { $0.reasons == "pod_gone" && $0.status == nil }.count == 3
                }
                #expect(isLogged, "three requests were under way")
                let isClosed = eventually { server.active <= before - 5 }
                #expect(isClosed, "their pooled connections too: \(server.active) of \(before)")
                let wrong = try requests(500, mesh.lab)
                #expect(wrong.isEmpty, "\(wrong.prefix(3))")
            }
        }

        /// Over HTTP/2 a pod that has gone is told before the reset: which stream is lost, and that there will be no others.
        @Test func aPodThatGoesIsToldByGOAWAY() throws {
            try withMesh({ crowded(&$0) }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                defer { server.stop() }
                let client = try mesh.lab[.a1].connect(to: Self.target, from: SocketAddress(Self.addresses[0], 0))
                // The preface, SETTINGS, and GET /wait/60000 of host `a` on stream 1.
                let head: [UInt8] = [0x82, 0x86, 0x04, 11] + Array("/wait/60000".utf8) + [0x41, 1, 0x61]
                try client.send(
                    Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
                        + [0, 0, UInt8(head.count), 1, 5, 0, 0, 0, 1] + head)
                let isUnderWay = try eventually { try mesh.b.admin.metric("apus_requests_active") >= 1 }
                #expect(isUnderWay)
                try mesh.a.reload { $0.pods = Self.crowd("second") }
                var received: [UInt8] = []
                let error = #expect(throws: LabError.self) {
                    while true {
                        let bytes = try client.receive()
                        if bytes.isEmpty { break }
                        received += bytes
                    }
                }
                #expect(error?.isReset == true, "\(String(describing: error))")
                // RST_STREAM of 1, CANCEL; GOAWAY, the last stream is 1, NO_ERROR.
                let last: [UInt8] =
                    [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 8] + [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
                #expect(Array(received.suffix(last.count)) == last, "\(received)")
            }
        }

        /// Three servers, killed and started again in turn, under POSTs that may be retried where that is safe.
        @Test func noPOSTRunsTwice() throws {
            let pods = [PodName.b1, .b2, .a2]
            try withMesh({
                $0.a.outbound[.a1] = ["{match: {ports: [80]}, protocol: http, routes: out}"]
                let endpoints = pods.map { "{address: \"\($0.v4):8080\"}" }.joined(separator: ", ")
                $0.a.clusters = ["{name: web, endpoints: [\(endpoints)]}"]
                $0.a.routes = [
                    """
                    {name: out, virtualHosts: [{domains: ["*"], rules: [{match: {path: {prefix: /}}, route: {cluster: web, \
                    retry: {attempts: 3, when: [connectFailure, reset, refusedStream, 5xx], budget: 100%}}}]}]}
                    """
                ]
                let inbound = ["{match: {ports: [8080]}, protocol: http}"]
                $0.a.inbound[.a2] = inbound
                $0.b.inbound[.b1] = inbound
            }) { mesh in
                let clients = (0..<4).map { worker in
                    Background { try posts(400, worker, mesh.lab) }
                }
                let isDone = Flag()
                let servers = Background { try restarts(pods, mesh.lab, until: isDone) }
                let answered = try clients.flatMap { try $0.value() }
                isDone.set()
                let executed = try servers.value()
                let counts = Dictionary(grouping: executed, by: \.self).mapValues(\.count)
                let twice = counts.filter { $0.value > 1 }
                #expect(twice.isEmpty, "\(twice.count) POSTs ran more than once: \(twice.prefix(3))")
                #expect(answered.allSatisfy { counts[$0] == 1 }, "who was told 200 was served")
                #expect(answered.count > 1000, "\(answered.count) of 1600 were answered")
                #expect(executed.count > answered.count, "no end of a server has met a request")
            }
        }

        /// The numbers of the POSTs that were answered with 200.
        private func posts(_ count: Int, _ worker: Int, _ lab: Lab) throws -> [String] {
            var (kept, answered): (HTTPClient?, [String]) = (nil, [])
            for number in 0..<count {
                let client = try kept ?? lab[.a1].connectHTTP(to: HTTPTableTests.service)
                kept = client
                do {
                    // Some take their time, so that the end of a server finds them under way.
                    let path = "/wait/\(number % 4 == 0 ? 8 : 0)/\(worker)/\(number)"
                    let reply = try client.request("POST", path, body: "number \(number)")
                    if reply.status == 200 { answered.append(path) }
                    if reply.field("connection") == "close" { kept = nil }
                } catch { kept = nil }
            }
            return answered
        }

        /// The paths that were executed.
        private func restarts(_ pods: [PodName], _ lab: Lab, until isDone: Flag) throws -> [String] {
            var servers = try pods.map { try lab[$0].serveHTTP() }
            var executed: [String] = []
            while !isDone.isSet {
                for place in servers.indices {
                    servers[place].stop()
                    executed += servers[place].requests.map(\.path)
                    usleep(10_000)
                    servers[place] = try lab[pods[place]].serveHTTP()
                    usleep(30_000)
                }
            }
            for server in servers {
                server.stop()
                executed += server.requests.map(\.path)
            }
            return executed
        }
    }
}
