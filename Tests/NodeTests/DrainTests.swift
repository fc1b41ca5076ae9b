import Foundation
import Glibc
import Lab
import Model
import Synchronization
import Testing

/// New connections at a steady rate from a pod, each with an exchange, while something happens to its host's proxy.
private final class SteadyConnections: Sendable {
    private let jobs: [Background<[String]>]
    private let isStopped: Flag
    private let count: Counter

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }

    /// `perSecond` connections over four threads.
    init(perSecond: Int, from client: Node, to target: SocketAddress) {
        let (stop, count) = (Flag(), Counter())
        let pause = UInt32(4_000_000 / perSecond)
        jobs = (0..<4).map { _ in
            Background {
                var errors: [String] = []
                while !stop.isSet {
                    let start = ContinuousClock.now
                    do {
                        let socket = try client.connect(to: target, timeout: .seconds(5))
                        try socket.exchange()
                        socket.close()
                    } catch {
                        errors.append("\(error)")
                    }
                    count.value.add(1, ordering: .relaxed)
                    let spent = UInt32((ContinuousClock.now - start) / .microseconds(1))
                    if spent < pause { usleep(pause - spent) }
                }
                return errors
            }
        }
        isStopped = stop
        self.count = count
    }

    /// Attempts so far.
    var attempts: Int { count.value.load(ordering: .relaxed) }

    /// Stops; what failed.
    func stop() throws -> [String] {
        isStopped.set()
        return try jobs.flatMap { try $0.value(within: .seconds(30)) }
    }
}

extension NodeTests {
    /// The planned end of a proxy: new connections go past it, and none gets lost on the way.
    @Suite struct DrainTests {
        @Test(arguments: [(Mesh.Backend.nft, 10), (.iptables, 2)])
        func terminationLosesNoConnection(backend: Mesh.Backend, runs: Int) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                let load = SteadyConnections(perSecond: 500, from: mesh.lab[.a1], to: target)
                for run in 1...runs {
                    let lines = try mesh.a.accessLog().count
                    usleep(300_000)
                    #expect(try mesh.a.accessLog().count > lines, "run \(run): the proxy carries them")
                    #expect(try mesh.a.terminate() == .status(0), "run \(run)")
                    usleep(100_000)
                    try mesh.a.start()
                }
                let attempts = load.attempts
                let errors = try load.stop()
                #expect(errors.count == 0, "\(errors.count) of \(attempts) failed: \(errors.first ?? "")")
                #expect(attempts > runs * 300 && server.accepted >= attempts)
                #expect(try mesh.a.accessLog().allSatisfy { $0.responseFlag == "-" })
            }
        }

        /// As SIGTERM does, but the process stays: live connections go on, the admin API answers.
        @Test func drainByTheAdminAPI() throws {
            try withMesh { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                let held = try mesh.lab[.a1].connect(to: target)
                try held.exchange()
                #expect(try mesh.a.admin.request("/drain", method: "POST").status == 202)
                let lines = try mesh.a.accessLog().count
                for _ in 0..<50 { try mesh.lab[.a1].connect(to: target).exchange() }
                #expect(try mesh.a.accessLog().count == lines, "they go past it")
                try held.echo("still here")
                #expect(try mesh.a.admin.request("/ready").status == 503)
                #expect(try mesh.a.process.isRunning && server.accepted == 51)
            }
        }
    }

    /// One generation after the other on both hosts, with interception.
    @Suite struct TakeOverTests {
        @Test(arguments: Mesh.Backend.usual)
        func connectionsOfPodsMoveOn(backend: Mesh.Backend) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let targets = [SocketAddress(PodName.b1.v4, 8080), SocketAddress(PodName.b1.v6, 8080)]
                let held = try (0..<40).map { try mesh.lab[.a1].connect(to: targets[$0 % 2]) }
                for socket in held { try socket.exchange() }
                let load = SteadyConnections(perSecond: 200, from: mesh.lab[.a1], to: targets[0])
                for proxy in [mesh.a, mesh.b, mesh.a] {
                    try proxy.takeOver()
                    for socket in held { try socket.echo("still here") }
                    #expect(try proxy.admin.metric("apus_connections_active") >= 40)
                }
                let errors = try load.stop()
                #expect(errors.count == 0, "\(errors.count) of \(load.attempts) failed: \(errors.first ?? "")")
                #expect(server.accepted >= load.attempts + 40)
                // Their ports are still theirs: the ledger of the new process knows them.
                for socket in held { socket.close() }
                _ = try mesh.a.record { $0.direction == "outbound" && ($0.bytesSent ?? 0) > 20 }
                #expect(try mesh.redirect("status", mesh.a).succeeded)
            }
        }
    }
}
