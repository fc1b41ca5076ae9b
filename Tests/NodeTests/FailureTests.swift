import Foundation
import Lab
import Model
import Testing

/// A proxy that dies or drains: the kernel decides at once what happens to new connections.
extension NodeTests {
    @Suite struct FailureTests {
        /// Opens, exchanges and closes `count` connections on each of four threads; how many failed, with the first error.
        private func shortConnections(_ count: Int, from pod: PodName, _ lab: Lab) throws -> (
            failed: Int, first: String
        ) {
            let client = lab[pod]
            let jobs = (0..<4).map { _ in
                Background {
                    var errors: [String] = []
                    for _ in 0..<count {
                        do {
                            try client.connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
                        } catch {
                            errors.append("\(error)")
                        }
                    }
                    return errors
                }
            }
            let errors = try jobs.flatMap { try $0.value(within: .seconds(120)) }
            return (errors.count, errors.first ?? "")
        }

        /// The server's host loses its proxy after many short connections: their leftovers there must not swallow new ones.
        @Test func serverHostsProxyIsKilled() throws {
            try withMesh { mesh in
                let server = try mesh.lab[.b1].echo()
                let before = try shortConnections(500, from: .a1, mesh.lab)
                #expect(before.failed == 0, "\(before)")
                try mesh.b.kill()
                let after = try shortConnections(75, from: .a1, mesh.lab)
                #expect(after.failed == 0, "\(after)")
                #expect(server.accepted == 2300)
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func clientHostsProxyIsKilled(backend: Mesh.Backend) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let held = try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080))
                try held.exchange()
                #expect(try shortConnections(50, from: .a1, mesh.lab).failed == 0)
                try mesh.a.kill()
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "the rules are whole: \(status)")
                let lines = try mesh.a.accessLog().count
                let after = try shortConnections(75, from: .a1, mesh.lab)
                #expect(after.failed == 0, "\(after)")
                #expect(try mesh.a.accessLog().count == lines)
                // What the dead proxy held has ended, rather than hang.
                #expect(endsPromptly(held))
                // Back again: new connections are the proxy's.
                try mesh.a.start()
                try mesh.observe(from: mesh.lab[.a1], to: SocketAddress(PodName.b1.v4, 8080), in: mesh.a)
                #expect(server.accepted == 502)
            }
        }

        /// An end of the stream, or a reset; not a timeout.
        private func endsPromptly(_ socket: LabSocket) -> Bool {
            do {
                return try socket.receive().isEmpty
            } catch {
                return error.isReset
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func policyDropRefusesWhenNobodyListens(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                $0.a.policy = "drop"
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                try mesh.lab[.a1].connect(to: target).exchange()
                try mesh.a.kill()
                let time = mesh.expectReset(from: mesh.lab[.a1], to: target)
                #expect(time < .seconds(1), "a refusal, not silence")
                mesh.expectReset(from: mesh.lab[.a1], to: SocketAddress(PodName.b1.v6, 8080))
                // The other host has a proxy, and the host itself is not intercepted.
                try mesh.lab[.a].connect(to: target).exchange()
                try mesh.a.start()
                try mesh.lab[.a1].connect(to: target).exchange()
                #expect(server.accepted == 3)
            }
        }

        @Test func drainLetsConnectionsFinish() throws {
            try withMesh({ $0.a.drainTimeout = "20s" }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                let held = try mesh.lab[.a1].connect(to: target)
                try held.exchange()
                let process = try mesh.a.process
                process.signal(SIGTERM)
                // New connections go directly as soon as nobody listens.
                let lines = try mesh.a.accessLog().count
                let isDirect = try eventually {
                    let greeting = try mesh.lab[.a1].connect(to: target).exchange()
                    return !ProxyConfiguration.outboundPorts.contains(greeting.peer.port)
                        && !isListening(mesh.lab[.a])
                }
                #expect(isDirect)
                #expect(process.isRunning, "it waits for the live connection")
                try held.send("still here\n")
                #expect(try held.receiveLine() == "still here")
                held.close()
                #expect(try process.wait(atMost: .seconds(5)) == .status(0))
                #expect(try mesh.a.accessLog().count >= lines + 1)
                #expect(server.active <= server.accepted)
            }
        }

        private func isListening(_ host: Node) -> Bool {
            (try? host.connect(to: SocketAddress(.loopbackV4, 15001))) != nil
        }

        /// The same name and address with another UID is another pod: what the former one had open ends, nothing else does.
        @Test func aPodThatIsReplacedLosesItsConnections() throws {
            try withMesh({
                $0.a.uids[.a1] = "first"
                $0.a.uids[.a2] = "other"
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let replaced = try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080))
                let other = try mesh.lab[.a2].connect(to: SocketAddress(PodName.b1.v4, 8080))
                _ = try (replaced.exchange(), other.exchange())
                try mesh.a.reload { $0.uids[.a1] = "second" }
                let error = #expect(throws: LabError.self) { try replaced.receive() }
                #expect(error?.isReset == true, "a reset is not an end")
                try other.send("still here\n")
                #expect(try other.receiveLine() == "still here")
                let anew = try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
                #expect(anew.app == "B1", "the new pod connects as any other")
                #expect(server.accepted == 3)
            }
        }

        /// The tables change under load, each change seen at work before the next: no connection may notice.
        @Test func reloadUnderLoad() throws {
            try withMesh { mesh in
                let server = try mesh.lab[.b1].echo()
                let other = try mesh.lab[.b2].echo()
                let load = Background { [lab = mesh.lab] in try shortConnections(100, from: .a1, lab) }
                for round in 0..<10 {
                    try mesh.a.reload {
                        $0.outbound[.a2] = round % 2 == 0 ? ["{match: {ports: [8080]}, deny: true}"] : []
                    }
                    let isInForce = eventually {
                        let works =
                            (try? mesh.lab[.a2].connect(to: SocketAddress(PodName.b2.v4, 8080)).exchange()) != nil
                        return works == (round % 2 == 1)
                    }
                    #expect(isInForce, "reload \(round)")
                }
                #expect(other.accepted >= 5)
                let result = try load.value()
                #expect(result.failed == 0, "\(result)")
                #expect(server.accepted == 400)
            }
        }
    }
}
