import Loopback
import Model
import Proxy
import Synchronization
import Syscalls
import Testing

@testable import HandOver

private let connectionReset: Int32 = 104

/// A running data plane that can be taken over, in this process.
private final class Generation: Sendable {
    let server: ProxyServer
    let giver: Giver
    let name: String
    private let events = Mutex<[String]>([])

    init(_ configuration: Configuration) throws {
        let (shared, names) = (SharedState(), SlotNames())
        var compiler = SnapshotCompiler(shared: shared, names: names)
        server = try ProxyServer(
            try compiler.compile(configuration, oldestGenerationInUse: 0), workers: 2, descriptorLimit: 4096,
            shared: shared, names: names)
        try server.openListeners()
        name = "apus test \(UInt64.random(in: 0 ... .max))"
        let (note, told) = AsyncStream.makeStream(of: String.self)
        giver = Giver(
            server, claims: [try Claim(name, in: "/tmp")], version: "test",
            hooks: Giver.Hooks(
                isSucceeded: { told.yield("succeeded") }, isAlone: { told.yield("alone") },
                isDone: { told.yield("done") }, log: { _ in }))
        try giver.start()
        Task { [self] in for await event in note { events.withLock { $0.append(event) } } }
    }

    func has(_ event: String, times count: Int = 1) -> Bool {
        events.withLock { events in events.filter { $0 == event }.count >= count }
    }

    var address: SocketAddress? { server.listeners.first?.address }

    /// The next generation's end of the talk, up to its being ready.
    func successor(formats: [Int] = [1], ports: [UInt16]? = nil) throws -> Channel {
        let channel = try Channel(LocalSocket(path: Claim.socketPath(name, in: "/tmp")), user: ProcessIdentity.user)
        try channel.send(
            try Frame(.hello, Hello(formats: formats, process: 1, version: "next", interceptionPorts: ports)))
        let welcome: Welcome = try channel.receive(.welcome).message()
        #expect(welcome.listenersPerGroup == 2)
        try channel.send(try Frame(.ready, Ready()))
        let news: News = try channel.receive(.totals).message()
        #expect(news.claims == [name])
        return channel
    }

    deinit { giver.stop() }
}

extension Configuration {
    fileprivate static func web(to endpoint: SocketAddress, drainTimeout: Duration = .seconds(30)) -> Configuration {
        var configuration = Configuration(
            listeners: [Listener(name: "web", address: SocketAddress(.loopbackV4, 0), cluster: "servers")],
            clusters: [Cluster(name: "servers", discovery: .endpoints([Endpoint(address: endpoint)]))])
        configuration.drainTimeout = drainTimeout
        return configuration
    }
}

/// The old generation's side, with successors that do not behave.
@Suite(.serialized, .timeLimit(.minutes(2))) struct GiverTests {
    /// A generation with live connections that have echoed something.
    private func generation(
        connections: Int = 20, drainTimeout: Duration = .seconds(30)
    ) throws -> (Generation, [Peer], Server) {
        let server = try Server.echo()
        let generation = try Generation(.web(to: server.address, drainTimeout: drainTimeout))
        let address = try #require(generation.address)
        let clients = try (0..<connections).map { _ in try Peer(to: address) }
        for client in clients { try echo(client) }
        return (generation, clients, server)
    }

    private func echo(_ client: Peer) throws {
        try client.send("hello")
        #expect(try client.receive(asLongAs: "hello") == "hello")
    }

    private func stop(_ generation: Generation) async {
        _ = await generation.server.stop(within: .zero)
        #expect(generation.server.connectionCount == 0)
    }

    @Test func aSuccessorThatDiesLeavesEverythingAsItWas() async throws {
        let (generation, clients, server) = try generation()
        do {
            let channel = try generation.successor()
            // It gets a batch, and is gone before it has answered.
            var frame = try channel.receive()
            while frame.kind != .tunnels { frame = try channel.receive() }
            #expect(frame.descriptors.count >= 2)
        }
        #expect(await eventually { generation.has("alone") })
        for client in clients { try echo(client) }
        try echo(try Peer(to: try #require(generation.address)))
        #expect(generation.server.phase == .serving)
        #expect(server.accepted == clients.count + 1)
        // And the next one may try.
        _ = try generation.successor()
        #expect(await eventually { generation.has("alone", times: 2) })
        await stop(generation)
    }

    @Test func whatIsRefusedStaysAndDrains() async throws {
        let (generation, clients, _) = try generation()
        let channel = try generation.successor()
        var taken: [Descriptor.Parcel] = []
        var (accepted, refused) = (0, 0)
        while accepted + refused < clients.count {
            let frame = try channel.receive()
            guard frame.kind == .tunnels else { continue }
            let tunnels = try frame.message(Tunnels.self).tunnels
            var verdicts = Verdicts()
            for index in tunnels.indices {
                if (accepted + refused) % 2 == 0 {
                    verdicts.refused[index] = "not wanted"
                    refused += 1
                } else {
                    taken += frame.descriptors[index * 2...index * 2 + 1]
                    accepted += 1
                }
            }
            try channel.send(try Frame(.verdicts, verdicts))
        }
        #expect(await eventually { generation.server.connectionCount == refused })
        // Half of the clients are served here to their end; then, and not before, the process is done.
        var (served, silent) = (0, 0)
        #expect(await eventually { generation.server.phase == .draining })
        for client in clients {
            try client.send("bye")
            client.shutdownWrite()
        }
        #expect(await eventually { generation.has("done") })
        for parcel in taken { withExtendedLifetime(parcel.take()) {} }
        taken = []
        for client in clients {
            if (try? client.receive(asLongAs: "bye")) == "bye" { served += 1 } else { silent += 1 }
        }
        #expect(served == refused && silent == accepted)
        await stop(generation)
    }

    @Test func withoutACommonFormatAllDrainsHere() async throws {
        let (generation, clients, _) = try generation(connections: 5, drainTimeout: .seconds(3))
        let channel = try generation.successor(formats: [7])
        #expect(await eventually { generation.server.phase == .draining })
        for client in clients { try echo(client) }
        var done: Done?
        while done == nil {
            let frame = try channel.receive()
            #expect(frame.kind == .totals || frame.kind == .done)
            if frame.kind == .done { done = try frame.message() }
        }
        #expect(done?.handedOver == 0 && done?.reset == 5)
        #expect(await eventually { generation.has("done") })
        await stop(generation)
        for client in clients { #expect(client.end() == connectionReset) }
    }

    @Test func otherInterceptionPortsAreRefusedWithWords() async throws {
        let (generation, _, _) = try generation(connections: 1)
        let refusal = #expect(throws: HandOverRefused.self) { _ = try generation.successor(ports: [1, 2]) }
        #expect(refusal?.description.contains("interception ports") == true)
        #expect(!generation.has("succeeded"))
        await stop(generation)
    }

    @Test(arguments: [[UInt8](repeating: 0x41, count: 64), Array("APUS".utf8) + [99] + Array(repeating: 0, count: 11)])
    func nonsenseChangesNothing(bytes: [UInt8]) async throws {
        let (generation, clients, _) = try generation(connections: 2)
        do {
            let socket = try LocalSocket(path: Claim.socketPath(generation.name, in: "/tmp"))
            try socket.setTimeouts(milliseconds: 5000)
            try socket.send(bytes)
            var descriptors: [Descriptor.Parcel] = []
            #expect((try? socket.receive(exactly: 1, into: &descriptors)) ?? nil == nil)
        }
        for client in clients { try echo(client) }
        #expect(!generation.has("succeeded") && generation.server.phase == .serving)
        await stop(generation)
    }

    @Test func countersAreToldOnce() async throws {
        let (generation, clients, _) = try generation(connections: 4)
        var sum = Totals()
        let channel = try Channel(
            LocalSocket(path: Claim.socketPath(generation.name, in: "/tmp")), user: ProcessIdentity.user)
        try channel.send(try Frame(.hello, Hello(formats: [], process: 1, version: "next", interceptionPorts: nil)))
        _ = try channel.receive(.welcome)
        try channel.send(try Frame(.ready, Ready()))
        for client in clients {
            try echo(client)
            client.shutdownWrite()
            #expect(client.end() == nil)
        }
        while true {
            let frame = try channel.receive()
            if frame.kind == .done { break }
            try frame.message(News.self).totals.forEach { sum.add($3, $0, $1, $2) }
        }
        let listener = sum.values["listener"]?["web"]
        #expect(listener?["connections"] == 4 && listener?["bytesSent"] == 40 && listener?["end completed"] == 4)
        #expect(sum.values["cluster"]?["servers"]?["bytesReceived"] == 40)
        await stop(generation)
    }
}
