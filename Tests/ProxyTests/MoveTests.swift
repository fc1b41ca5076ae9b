import Loopback
import Model
import Synchronization
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104

extension DataPlane {
    /// Live connections from worker to worker.
    @Suite(.timeLimit(.minutes(2))) struct MoveTests {
        /// Lets all open connections of one worker leave, and those that left arrive at another.
        private func move(_ proxy: TestProxy, from: Int, to: Int) async -> Int {
            let contexts = proxy.server.contexts
            return await withCheckedContinuation { moved in
                contexts[from].mailbox.send(
                    .depart(limit: .max) { parcels, _ in
                        for parcel in parcels { contexts[to].mailbox.send(.arrive(parcel)) }
                        moved.resume(returning: parcels.count)
                    })
            }
        }

        @Test func everyTunnelMovesInTheMiddleOfItsTransfer() async throws {
            let acceptor = try Acceptor()
            let server = try Server.echo()
            // Before anybody is connected: in a debug build on a busy machine it takes longer than the server's patience.
            let block = (0..<65521).map { UInt8(truncatingIfNeeded: $0 ^ $0 >> 9) }
            var bytes: [UInt8] = []
            for _ in 0..<256 { bytes += block }
            let sent = bytes
            let two = Configuration.web(to: [acceptor.address]) { configuration in
                configuration.clusters.append(
                    .init(name: "echo", discovery: .endpoints([.init(address: server.address)])))
                configuration.listeners.append(
                    .init(name: "bulk", address: SocketAddress(.loopbackV4, 0), cluster: "echo"))
            }
            try await withProxy(two, workers: 2) { proxy in
                let load = try StreamLoad(100, to: try proxy.address(), acceptor, interval: 20_000_000)
                let bulk = try (0..<8).map { _ in try proxy.client("bulk") }
                let echoes = bulk.map { client in
                    Task {
                        async let writing: Void = blocking {
                            try client.send(sent)
                            client.shutdownWrite()
                        }
                        // Slow enough that something is always pending.
                        let back = try await blocking { try client.receiveAll() }
                        try await writing
                        return back == sent
                    }
                }
                var moves = 0
                for _ in 0..<20 {
                    moves += await move(proxy, from: 0, to: 1)
                    moves += await move(proxy, from: 1, to: 0)
                }
                #expect(moves > 20 * 100, "\(moves)")
                for echo in echoes { #expect(try await echo.value) }
                let report = load.takeReport()
                #expect(report.faults.isEmpty && report.received > 100, "\(report)")
                load.stop()
                let records = await proxy.records(8)
                #expect(records.filter { $0.reason == .completed && $0.bytesSent == sent.count }.count >= 8)
            }
        }

        @Test func halfClosedAndResetAreTheSameAfterwards() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address]), workers: 2) { proxy in
                let pairs = try (0..<2).map { _ in (try proxy.client(), try acceptor.accept()) }
                // Known to be connected, not only accepted by the kernel.
                try pairs[1].0.send("x")
                #expect(try pairs[1].1.receive().count == 1)
                let (client, server) = pairs[0]
                try client.send("question")
                client.shutdownWrite()
                #expect(try server.receiveAll() == Array("question".utf8))
                for (from, to) in [(0, 1), (1, 0)] { _ = await move(proxy, from: from, to: to) }
                try server.send("late answer")
                server.close()
                #expect(try client.receiveAll() == Array("late answer".utf8))
                _ = await move(proxy, from: 0, to: 1)
                pairs[1].1.reset()
                #expect(pairs[1].0.end() == connectionReset)
                let records = await proxy.records(2)
                #expect(Set(records.map(\.reason)) == [.completed, .upstreamReset])
            }
        }

        @Test func idleTimeAndLimitsGoWithIt() async throws {
            let acceptor = try Acceptor()
            let short = Configuration.web(to: [acceptor.address]) {
                $0.clusters[0].tunnelIdleTimeout = .milliseconds(600)
                $0.clusters[0].connectionsMax = 1
            }
            try await withProxy(short, workers: 2) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                let start = ContinuousClock.now
                try client.send("x")
                #expect(try server.receive().count == 1)
                for _ in 0..<5 {
                    _ = await move(proxy, from: 0, to: 1)
                    _ = await move(proxy, from: 1, to: 0)
                }
                // Its place under the cluster's limit is still taken.
                #expect(try proxy.client().end() == connectionReset)
                #expect(client.end() == connectionReset)
                #expect(ContinuousClock.now - start < .seconds(5), "moving must not wind its idle timer up again")
                let records = await proxy.records(2)
                #expect(Set(records.map(\.reason)) == [.circuitBreaker, .idleTimeout])
            }
        }

        /// On arrival both ends are worth trying, which is not the same as holding memory.
        @Test func arrivingIsNoShortageOfMemory() async throws {
            let server = try Server.echo()
            let small = Configuration.web(to: [server.address]) { $0.limits.memoryBytesMax = 4 << 20 }
            try await withProxy(small, workers: 2) { proxy in
                let clients = try (0..<300).map { _ in try proxy.client() }
                for client in clients {
                    try client.send("x")
                    #expect(try client.receive().count == 1)
                }
                for _ in 0..<5 {
                    for (from, to) in [(0, 1), (1, 0)] { _ = await move(proxy, from: from, to: to) }
                }
                for client in clients {
                    try client.send("y")
                    #expect(try client.receive().count == 1)
                }
                #expect(proxy.server.connectionCount == clients.count)
                let clamps = proxy.server.workerStatistics.map {
                    $0.podless.value(slot: 0, counter: PodCounter.windowClamps.rawValue)
                }
                #expect(clamps == [0, 0])
            }
        }

        /// While a connection is under way, its pod leaves; or its address, unlisted so far, becomes a pod's.
        @Test(arguments: [true, false]) func onlyAPodThatGoesMeanwhileEndsItsConnections(leaves: Bool) async throws {
            let acceptor = try Acceptor()
            let without = Configuration.web(to: [acceptor.address]) { configuration in
                configuration.interception = .init(podCIDRs: [CIDR("127.0.0.0/8")].compactMap(\.self))
            }
            var with = without
            with.pods = [.init(name: "shop/cart", addresses: [.loopbackV4])]
            try await withProxy(.web(to: [acceptor.address]), workers: 2) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                try client.send("x")
                #expect(try server.receive().count == 1)
                let (shared, contexts) = (proxy.server.shared, proxy.server.contexts)
                var compiler = SnapshotCompiler(shared: shared, names: proxy.server.names)
                let snapshots = try (leaves ? [without, with, without] : [without, without, with]).map {
                    try compiler.compile($0, oldestGenerationInUse: 1)
                }
                let pod = try #require(snapshots[leaves ? 1 : 2].pods.map(\.slot).max())
                #expect(snapshots[2].gonePods == (leaves ? [pod] : []))
                let next = Generation(snapshots[2], after: nil, workers: 2)
                for from in 0..<2 {
                    await withCheckedContinuation { moved in
                        contexts[from].mailbox.send(
                            .depart(limit: .max) { parcels, _ in
                                if from == 1 { for context in contexts { context.mailbox.send(.adopt(next)) } }
                                for parcel in parcels {
                                    guard var detached = parcel.take() else { continue }
                                    // As if it had been admitted for the pod, or for an unlisted one.
                                    detached.tunnel.record.pod = leaves ? Int32(pod) : 0
                                    contexts[1 - from].mailbox.send(.arrive(TunnelParcel(detached)))
                                }
                                moved.resume()
                            })
                    }
                }
                guard leaves else {
                    try client.send("y")
                    #expect(try server.receive().count == 1)
                    return
                }
                #expect(client.end() == connectionReset)
                #expect(await proxy.records(1).first?.reason == .podGone)
            }
        }
    }

    /// Connections over workers, evenly.
    @Suite(.timeLimit(.minutes(1))) struct BalanceTests {
        private func active(_ proxy: TestProxy) -> [Int] {
            proxy.server.workerStatistics.map {
                $0.worker.value(slot: 0, counter: WorkerCounter.connectionsActive.rawValue)
            }
        }

        @Test func freshConnectionsGoToTheWorkerWithFewest() async throws {
            let server = try Server.greeter("x")
            try await withProxy(.web(to: [server.address]), workers: 3) { proxy in
                // As during a take-over: the kernel gives all of them to one worker.
                proxy.server.directGroups(to: 0)
                let clients = try (0..<300).map { _ in
                    let client = try proxy.client()
                    #expect(try client.receive().count == 1)
                    return client
                }
                #expect(active(proxy).allSatisfy { $0 >= 70 && $0 <= 160 }, "\(active(proxy))")
                #expect(proxy.sum(.connectionsPassedOn) >= 140)
                for client in clients { client.close() }
            }
        }

        @Test func liveConnectionsAreEvenedOut() async throws {
            let server = try Server.greeter("x")
            try await withProxy(.web(to: [server.address]), workers: 2) { proxy in
                let clients = try (0..<400).map { _ in try proxy.client() }
                for client in clients { #expect(try client.receive().count == 1) }
                let contexts = proxy.server.contexts
                contexts[1].mailbox.send(
                    .depart(limit: .max) { parcels, _ in
                        for parcel in parcels { contexts[0].mailbox.send(.arrive(parcel)) }
                    })
                #expect(await eventually { active(proxy)[1] == 0 })
                #expect(await eventually { active(proxy).allSatisfy { $0 >= 140 } }, "\(active(proxy))")
                for client in clients {
                    try client.send("y")
                    #expect(try client.receive().count == 1)
                }
            }
        }
    }
}
