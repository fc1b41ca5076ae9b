import Loopback
import Model
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104
private let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
private let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

extension Configuration {
    /// A listener under `auto`: requests are answered by a route, everything else goes to the endpoints.
    fileprivate static func auto(
        to endpoints: [SocketAddress], _ change: (inout Configuration) -> Void = { _ in }
    ) -> Configuration {
        .web(to: endpoints) { configuration in
            let rule = Rule(action: .respond(status: 200, body: "routed"))
            configuration.routes = [
                RouteTable(name: "all", virtualHosts: [VirtualHost(domains: [.any], rules: [rule])])
            ]
            configuration.listeners[0].protocolKind = .auto
            configuration.listeners[0].routes = "all"
            change(&configuration)
        }
    }
}

extension Peer {
    /// Sends a text in two pieces, which arrive apart.
    fileprivate func send(_ text: String, splitAt place: Int) async throws {
        try send(text.utf8.prefix(place))
        if place > 0 { try await Task.sleep(for: .milliseconds(1)) }
        try send(text.utf8.dropFirst(place))
    }

    /// The status of the answer to a request, and its body.
    fileprivate func answer() throws -> String {
        let head = try receive(asLongAs: "HTTP/1.1 200")
        var rest = ""
        while !rest.hasSuffix("routed") {
            let more = try receive()
            if more.isEmpty { break }
            rest += String(decoding: more, as: UTF8.self)
        }
        return head
    }
}

extension DataPlane {
    /// `protocol: auto` with real sockets.
    @Suite(.timeLimit(.minutes(2))) struct DetectionTests {
        @Test func aRequestIsRoutedHoweverItIsSplit() async throws {
            let server = try Server.echo()
            try await withProxy(.auto(to: [server.address])) { proxy in
                for place in 0..<request.utf8.count {
                    let client = try proxy.client()
                    try await client.send(request, splitAt: place)
                    #expect(try client.answer() == "HTTP/1.1 200", "split at \(place)")
                }
                #expect(proxy.sum(.detectedHTTP1) == request.utf8.count)
            }
        }

        @Test func thePrefaceIsHTTPHoweverItIsSplit() async throws {
            let server = try Server.echo()
            try await withProxy(.auto(to: [server.address])) { proxy in
                for place in 0..<preface.utf8.count {
                    let client = try proxy.client()
                    try await client.send(preface, splitAt: place)
                    // Not the echo.
                    let answer = try client.receive(exactly: 4)
                    #expect(!answer.isEmpty && answer != Array("PRI ".utf8), "split at \(place): \(answer)")
                }
                #expect(proxy.sum(.detectedHTTP2) == preface.utf8.count)
            }
        }

        @Test(arguments: [
            ([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], SpokenProtocol.tls), (Array("PING\r\n".utf8), .bytes),
        ])
        func everythingElseGoesToTheClusterHoweverItIsSplit(bytes: [UInt8], spoken: SpokenProtocol) async throws {
            let server = try Server.echo()
            try await withProxy(.auto(to: [server.address])) { proxy in
                for place in bytes.indices {
                    let client = try proxy.client()
                    try client.send(bytes.prefix(place))
                    if place > 0 { try await Task.sleep(for: .milliseconds(1)) }
                    try client.send(bytes.dropFirst(place))
                    client.shutdownWrite()
                    #expect(try client.receiveAll() == bytes, "split at \(place)")
                }
                let records = await proxy.records(bytes.count)
                #expect(records.allSatisfy { $0.spoken == spoken && $0.reason == .completed }, "\(records)")
                #expect(proxy.sum(spoken.counter) == bytes.count)
            }
        }

        /// What it costs is the benchmark's to say; here only that nobody is waited for.
        @Test func aServerThatSpeaksFirstIsNotDelayed() async throws {
            let server = try Server.greeter("5.7.0 ready")
            try await withProxy(.auto(to: [server.address])) { proxy in
                var times: [Duration] = []
                for _ in 0..<20 {
                    let start = ContinuousClock.now
                    let client = try proxy.client()
                    #expect(try client.receive(asLongAs: "5.7.0 ready") == "5.7.0 ready")
                    times.append(ContinuousClock.now - start)
                    // From here on it is bytes, whatever they look like.
                    try client.send(request)
                    #expect(try client.receive(asLongAs: request) == request)
                }
                #expect(times.sorted()[10] < .milliseconds(200), "\(times)")
                #expect(proxy.sum(.detectedServerFirst) == 20)
                let learned = await proxy.server.learned(of: try proxy.address())
                #expect(learned.map(\.latest) == [.serverFirst] && !learned[0].awaitsClients)
            }
        }

        @Test func aClientThatSpeaksLateIsRoutedAndTheUnusedConnectionCloses() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.auto(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let upstream = try acceptor.accept()
                try await client.send(request, splitAt: 10)
                #expect(try client.answer() == "HTTP/1.1 200")
                #expect(upstream.end() == nil)
                #expect(proxy.sum(.upstreamsUnused) == 1)
                // The connection is HTTP for good.
                try client.send(request)
                #expect(try client.answer() == "HTTP/1.1 200")
                #expect(proxy.sum(.detectedHTTP1) == 1)
            }
        }

        @Test func whatWasLearnedHeals() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.auto(to: [acceptor.address])) { proxy in
                let address = try proxy.address()
                let client = try proxy.client()
                try client.send(request)
                #expect(try client.answer() == "HTTP/1.1 200")
                #expect(await proxy.server.learned(of: address).map(\.latest) == [.http1])
                #expect(await proxy.server.learned(of: address).map(\.awaitsClients) == [true])
                // The server has changed its mind: a moment later for the first, at once for those that follow.
                for _ in 0..<3 {
                    let silent = try proxy.client()
                    while case let server = try acceptor.accept(), (try? server.send("hello")) == nil {}
                    #expect(try silent.receive(asLongAs: "hello") == "hello")
                    #expect(await proxy.server.learned(of: address).map(\.latest) == [.serverFirst])
                    #expect(await proxy.server.learned(of: address).map(\.awaitsClients) == [false])
                }
            }
        }

        @Test func aSilentPairStaysConnectedAndEndsInOrder() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.auto(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                let list = await proxy.server.connections(limit: 10)
                #expect(list.connections.map(\.state) == [.detecting] || list.connections.map(\.state) == [.connecting])
                client.shutdownWrite()
                #expect(try server.receiveAll().isEmpty)
                try server.send("late")
                server.close()
                #expect(try client.receiveAll() == Array("late".utf8))
                let records = await proxy.records(1)
                #expect(records.map(\.reason) == [.completed] && records[0].spoken == nil)
                #expect(proxy.sum(.detectedNothing) == 1)
            }
        }

        @Test func anIdleOneEndsAsAnyTunnelDoes() async throws {
            let acceptor = try Acceptor()
            let idle = Configuration.auto(to: [acceptor.address]) {
                $0.clusters[0].tunnelIdleTimeout = .milliseconds(50)
            }
            try await withProxy(idle) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                #expect(client.end() == connectionReset && server.end() == connectionReset)
                #expect(await proxy.records(1).map(\.reason) == [.idleTimeout])
            }
        }

        @Test func aBeginningWithoutARestIsPassedOn() async throws {
            let server = try Server.echo()
            try await withProxy(.auto(to: [server.address])) { proxy in
                let client = try proxy.client()
                try client.send("GE")
                #expect(try client.receive(asLongAs: "GE") == "GE")
                let ended = try proxy.client()
                try ended.send("PRI * HTT")
                ended.shutdownWrite()
                #expect(try ended.receiveAll() == Array("PRI * HTT".utf8))
                #expect(proxy.sum(.detectedBytes) == 2)
            }
        }

        @Test func withoutAServerRequestsAreAnsweredAndTheRestIsReset() async throws {
            let dead = try Acceptor(isListening: false)
            let plain = Configuration.auto(to: [dead.address]) { $0.listeners[0].routes = nil }
            try await withProxy(plain) { proxy in
                let client = try proxy.client()
                // It has been connected on, in vain.
                try await Task.sleep(for: .milliseconds(5))
                try client.send(request)
                #expect(try client.receive(asLongAs: "HTTP/1.1 503") == "HTTP/1.1 503")
                #expect(try proxy.client().end() == connectionReset)
                let records = await proxy.records(1)
                #expect(records.map(\.reason) == [.connectFailed])
            }
        }

        @Test func itMovesToAnotherWorkerUndecided() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.auto(to: [acceptor.address]), workers: 2) { proxy in
                let client = try proxy.client()
                let upstream = try acceptor.accept()
                var moved = 0
                // Not before its own worker has been told that it is connected on.
                let deadline = ContinuousClock.now + .seconds(10)
                var turn = 0
                while turn < 3 || (moved == 0 && ContinuousClock.now < deadline) {
                    let (from, to) = (turn % 2, 1 - turn % 2)
                    turn += 1
                    let contexts = proxy.server.contexts
                    moved += await withCheckedContinuation { done in
                        contexts[from].mailbox.send(
                            .depart(limit: .max) { parcels, _ in
                                for parcel in parcels { contexts[to].mailbox.send(.arrive(parcel)) }
                                done.resume(returning: parcels.count)
                            })
                    }
                }
                #expect(moved >= 1)
                try await client.send(request, splitAt: 3)
                #expect(try client.answer() == "HTTP/1.1 200")
                #expect(upstream.end() == nil)
            }
        }

        @Test func aReloadThatTakesTheRoutesAwayLeavesBytes() async throws {
            let server = try Server.echo()
            let auto = Configuration.auto(to: [server.address])
            try await withProxy(auto) { proxy in
                let client = try proxy.client()
                #expect(await eventually { server.accepted == 1 })
                var tcp = auto
                tcp.listeners[0].protocolKind = .tcp
                tcp.listeners[0].routes = nil
                try await proxy.apply(tcp)
                try client.send(request)
                #expect(try client.receive(asLongAs: request) == request)
            }
        }

        @Test func endingTheProcessEndsThoseThatAreWaitedFor() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.auto(to: [acceptor.address])) { proxy in
                let silent = try proxy.client()
                let upstream = try acceptor.accept()
                let partial = try proxy.client()
                try partial.send("PRI")
                #expect(await eventually { proxy.sum(.connectionsActive) == 2 })
                _ = await proxy.server.stop(within: .zero)
                #expect(silent.end() == connectionReset && partial.end() == connectionReset)
                #expect(upstream.end() == connectionReset)
            }
        }

        @Test func tlsTakesAClientHelloAndNothingElse() async throws {
            let server = try Server.echo()
            let tls = Configuration.web(to: [server.address]) { $0.listeners[0].protocolKind = .tls }
            try await withProxy(tls) { proxy in
                let hello: [UInt8] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]
                let client = try proxy.client()
                try client.send(hello.prefix(3))
                try await Task.sleep(for: .milliseconds(5))
                try client.send(hello.dropFirst(3))
                #expect(try client.receive(exactly: hello.count) == hello)
                let other = try proxy.client()
                try other.send(request)
                #expect(other.end() == connectionReset)
                let ended = try proxy.client()
                ended.shutdownWrite()
                #expect(ended.end() == connectionReset)
                let records = await proxy.records(2)
                #expect(records.map(\.reason) == [.unexpectedProtocol, .unexpectedProtocol])
                #expect(server.accepted == 1)
            }
        }
    }
}
